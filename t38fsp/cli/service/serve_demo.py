"""``t38fsp serve --demo``: a service whose faxes go to itself, with nothing to set up."""

from __future__ import annotations

import asyncio
import shlex
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from t38fsp.cli import running
from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.output import print_line
from t38fsp.cli.service.serve import ServeOptions, failures, start, tell_ready
from t38fsp.errors import SettingError
from t38fsp.image.sample import write_sample
from t38fsp.image.to_pdf import write_pdf
from t38fsp.jobs import EngineSettings
from t38fsp.provider import FaxProvider
from t38fsp.service import keys
from t38fsp.service.delivery_settings import DeliverySettings
from t38fsp.service.policy.rules import Rule
from t38fsp.service.settings import PlaceSettings, ServiceSettings
from t38fsp.service.targets import Target
from t38fsp.service.values import Scope
from t38fsp.service.web_settings import SOCKET, WebSettings
from t38fsp.settings.file import direct_route

NUMBER = "+15550100"
_ROUTE = "loopback"
_LISTEN = "127.0.0.1:8038"
_HERE = ("127.0.0.1", 0)


def run(given: ServeOptions) -> Exit:
    """The inbox and all else is in a temporary folder."""
    if given.config is not None or given.database is not None or given.listen is not None:
        raise CommandError(
            "--demo has settings of its own; leave --config, --database and --listen out", Exit.USAGE
        )
    with tempfile.TemporaryDirectory(prefix="t38fsp-demo-") as folder:
        return running.run(_demo(Path(folder), given))


async def _demo(folder: Path, given: ServeOptions) -> Exit:
    inbox, sample = folder / "inbox", folder / "sample.pdf"
    await asyncio.to_thread(_prepare, folder, inbox, sample)
    settings = ServiceSettings(
        place=PlaceSettings(f"sqlite:///{folder / 'service.db'}", str(folder), "demo"),
        web=_web(given, folder),
        delivery=DeliverySettings(
            targets={"inbox": Target("inbox", folder=str(inbox))}, rules=(Rule("all", deliver=("inbox",)),)
        ),
    )
    # Without a port, which is not known yet: the provider of _sender_to has this route with it.
    routes = {_ROUTE: direct_route(peer="127.0.0.1", header=True).named(_ROUTE)}
    async with AsyncExitStack() as stack:
        with failures():
            serving = await start(stack, settings, EngineSettings(listen=_HERE), routes, sender_to=_sender_to)
        tell_ready(serving, settings)
        _, key = await serving.service.database.run(
            lambda connection: keys.create(connection, "demo", {Scope.ADMIN}, time.time())
        )
        _tell(folder, inbox, sample, key, serving.web.urls[0], settings.socket)
        await serving.until_stopped()
    return Exit.COMPLETED


def _prepare(folder: Path, inbox: Path, sample: Path) -> None:
    inbox.mkdir()
    drawn = folder / "sample.tif"
    write_sample(drawn, 1)
    write_pdf(drawn, sample, {"Title": "Sample"})
    drawn.unlink()


def _web(given: ServeOptions, folder: Path) -> WebSettings:
    """Raises CommandError."""
    try:
        return WebSettings(given.web or _LISTEN, str(given.socket or folder / SOCKET))
    except SettingError as error:
        raise CommandError(f"--web: {error}", Exit.USAGE) from error


def _sender_to(address: tuple[str, int]) -> FaxProvider:
    """Sends to the provider at ``address``: one provider cannot call itself."""
    host, port = address
    return FaxProvider(_HERE, routes=[direct_route(peer=f"{host}:{port}", header=True).named(_ROUTE)])


def _tell(folder: Path, inbox: Path, sample: Path, key: str, url: str, socket: Path) -> None:
    curl = (
        *("curl", "-H", f"Authorization: Bearer {key}", "-F", f"to={NUMBER}"),
        *("-F", f"document=@{sample}", f"{url}v1/faxes"),
    )
    ours = ("t38fsp", "submit", str(sample), "--to", NUMBER, "--wait", "--socket", str(socket))
    for line in (
        f"key: {key}",
        f"inbox: {inbox}",
        "send a fax; it is received here, and delivered into the inbox:",
        f"  {shlex.join(curl)}",
        f"  {shlex.join(ours)}",
        f"Ctrl-C ends it, and removes {folder}",
    ):
        print_line(line, sys.stdout)
