"""``t38fsp serve``: the service with all its parts, until a signal ends it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sip.frozen import dataclass
from t38fsp.cli import running, sentences
from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.options import listen_at
from t38fsp.cli.output import print_line
from t38fsp.cli.receive import workers_for
from t38fsp.errors import FaxError
from t38fsp.events import RegistrationChanged
from t38fsp.jobs import EngineSettings
from t38fsp.page_settings import USUAL
from t38fsp.provider import FaxProvider
from t38fsp.service.database import Database
from t38fsp.service.deliveries.queue import Deliveries
from t38fsp.service.planning import SubmissionPlanner
from t38fsp.service.preparing import Preparing, ProviderCaller
from t38fsp.service.receiving import Receiving
from t38fsp.service.service import FaxService, end_task
from t38fsp.service.settings import ServiceSettings
from t38fsp.service.settings_file import read_service
from t38fsp.service.web.server import WebServer
from t38fsp.settings.errors import ConfigurationError
from t38fsp.settings.file import Configuration
from t38fsp.settings.route import Route

_UNAVAILABLE = 503
"""A proxy or a trunk tries another host at once."""


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """The options; None for those not given."""

    config: Path | None = None
    database: str | None = None
    listen: str | None = None
    """Our SIP address."""
    web: str | None = None
    socket: Path | None = None

    @property
    def service(self) -> dict[str, Any]:
        """Those of ``[service]``, as in the table."""
        web = {"listen": self.web, "socket": None if self.socket is None else str(self.socket.absolute())}
        table: dict[str, Any] = {"web": {name: value for name, value in web.items() if value is not None}}
        return table if self.database is None else table | {"database": self.database}


def run(given: ServeOptions) -> Exit:
    with refusals():
        configuration = Configuration.find(given.config)
        settings = read_service(configuration, given.service)
        routes = {name: configuration.route(name) for name in configuration.names}
    engine = configuration.engine
    if given.listen is not None:
        engine = listen_at(engine, given.listen)
    engine = replace(engine, workers=workers_for(engine, None, 0))
    return running.run(_serve(settings, engine, routes))


@contextmanager
def refusals() -> Iterator[None]:
    """Wrong settings are usage errors."""
    try:
        yield
    except ConfigurationError as error:
        more = len(error.sentences) - 1
        others = f" (and {more} more)" if more > 0 else ""
        raise CommandError(f"{error.sentences[0]}{others}", Exit.USAGE) from error


@dataclass(frozen=True, slots=True)
class Serving:
    """A service that runs, with all its parts."""

    service: FaxService
    web: WebServer
    provider: FaxProvider
    receiving: Receiving
    taking: asyncio.Task[None]
    """Takes the calls that come in."""

    async def until_stopped(self) -> None:
        """Until a signal; then the calls that are up have their time, while clients can still ask."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            print_line("ending: no new calls, and those that are up have time", sys.stdout, droppable=True)
            await end_task(self.taking)
            refusing = asyncio.create_task(_refuse_all(self.provider), name="refusing")
            await asyncio.gather(self.service.drain(), self._until_all_received())
            await end_task(refusing)

    async def _until_all_received(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.service.settings.drain):
                await self.receiving.until_idle()


async def _serve(settings: ServiceSettings, engine: EngineSettings, routes: Mapping[str, Route]) -> Exit:
    async with AsyncExitStack() as stack:
        with failures():
            serving = await start(stack, settings, engine, routes)
        tell_ready(serving, settings)
        await serving.until_stopped()
    return Exit.COMPLETED


async def start(
    stack: AsyncExitStack,
    settings: ServiceSettings,
    engine: EngineSettings,
    routes: Mapping[str, Route],
    *,
    sender_to: Callable[[tuple[str, int]], FaxProvider] | None = None,
) -> Serving:
    """Enter all parts of a service into ``stack``. Raises FaxError and OSError.

    Faxes are sent through the provider that receives them, or through one of its own that ``sender_to`` makes
    for the address of the former.
    """
    host = settings.place.host_name
    folder = settings.place.folder / host
    # What is entered here ends in reverse: the API first, then calls, deliveries, the database, this lock.
    stack.callback(os.close, await asyncio.to_thread(_locked, folder, host))
    database = Database(settings.place.url)
    stack.push_async_callback(database.close)
    await asyncio.to_thread(database.create)
    spool = settings.delivery.receiving.spool or folder / "spool"
    deliveries = await stack.enter_async_context(
        Deliveries(database, settings.delivery, host, folder / "deliveries")
    )
    receiving = await stack.enter_async_context(
        Receiving(database, settings.delivery, host, spool, stored=deliveries.wake)
    )
    # The provider may report a registration before there is a service to tell.
    registered: list[Callable[[RegistrationChanged], None]] = []

    def on_registration(event: RegistrationChanged) -> None:
        print_line(sentences.of_registration(event), sys.stdout, droppable=True)
        for each in registered:
            each(event)

    provider = await stack.enter_async_context(
        FaxProvider(
            engine.listen,
            accept_calls=True,
            settings=engine,
            routes=routes.values(),
            on_registration=on_registration,
        )
    )
    sender = provider
    if sender_to is not None:
        sender = await stack.enter_async_context(sender_to(provider.address))
    preparing = await stack.enter_async_context(
        Preparing(
            database,
            lambda name: routes[name].pages if name in routes else USUAL,
            lambda name: routes[name].header_line if name in routes else None,
        )
    )
    planner = SubmissionPlanner(settings, routes)
    known = {name: route.engine_route for name, route in routes.items()}
    channels = {name: None if each is None else each.channels for name, each in known.items()}
    service = await stack.enter_async_context(
        FaxService(
            database,
            ProviderCaller(sender, preparing),
            channels,
            settings=settings.queue,
            rules=planner.rules(modems=_has_modems()),
            preparing=preparing,
            host=host,
            plan=planner.plan,
        )
    )
    registered.append(service.registration_changed)
    taking = asyncio.create_task(receiving.serve(provider.calls()), name="receiving")
    stack.push_async_callback(end_task, taking)
    web = await stack.enter_async_context(
        WebServer(
            service,
            replace(settings.web, socket=str(settings.socket)),
            settings.fetch,
            settings.delivery.retries,
            deliveries.wake,
        )
    )
    return Serving(service, web, provider, receiving, taking)


def tell_ready(serving: Serving, settings: ServiceSettings) -> None:
    for line in sentences.of_addresses(serving.provider.addresses):
        print_line(line, sys.stdout)
    for url in serving.web.urls:
        print_line(f"REST API at {url}", sys.stdout)
    print_line(f"REST API at the Unix socket {settings.socket}", sys.stdout)
    service = serving.service
    print_line(f"ready: host {service.host}, database {service.database.shown}", sys.stdout)


def _locked(folder: Path, host: str) -> int:
    """A descriptor that locks the folder of this host, which is made if it is missing: what is received and
    delivered there belongs to one process. Raises CommandError, OSError."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise CommandError(
            f"a service that runs already as the host {host} uses the folder {folder}; "
            "end it, or give this one another host or state",
            Exit.ERROR,
        ) from error
    return lock


async def _refuse_all(provider: FaxProvider) -> None:
    """Calls that come while the service ends: without an answer they would ring on."""
    async for call in provider.calls():
        call.refuse(_UNAVAILABLE)


@contextmanager
def failures() -> Iterator[None]:
    """What keeps the service from starting: an address, the database, a folder."""
    try:
        yield
    except FaxError as error:
        raise CommandError(str(error), Exit.ERROR) from error
    except OSError as error:
        where = f"{error.filename} cannot be used" if error.filename else "a folder cannot be made"
        raise CommandError(
            f"{where}: {error.strerror or error}; see state and database in [service]", Exit.ERROR
        ) from error


def _has_modems() -> bool:
    from t38fsp.audio.modem.library import ModemLibraryError, modem_library

    try:
        modem_library()
    except ModemLibraryError:
        return False
    return True
