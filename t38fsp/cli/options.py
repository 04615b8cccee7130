"""From options to the route that a command uses, and the address that it listens at."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sip.errors import ParseError
from sip.uri import parse_host_port
from t38fsp.address import AddressError, caller_address, peer_address
from t38fsp.callers import allowing
from t38fsp.cli.exits import CommandError, Exit
from t38fsp.configuration import Configuration, ConfigurationError, direct_route
from t38fsp.jobs import Callers
from t38fsp.passwords import read_password
from t38fsp.routes import Route


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says of a route; None where it says nothing."""

    route: str | None
    config: Path | None
    via: str | None = None
    caller: str | None = None
    user: str | None = None
    password_file: Path | None = None
    settings: dict[str, object] = field(default_factory=dict)
    """Those whose options have the names of the route's settings."""
    allow: tuple[str, ...] = ()
    """Networks whose calls are taken."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The merged route, our address, and who may call it."""

    route: Route
    listen: tuple[str, int]
    callers: Callers


def choose(given: Given, listen: str | None, *, port: int) -> Chosen:
    """``port`` is ours when nothing else is said. Raises CommandError."""
    default = ("0.0.0.0", port)
    settings: dict[str, Any] = {key: value for key, value in given.settings.items() if value is not None}
    if given.via is not None:
        # Named on the command line, it stands for a proxy of the file, too.
        settings |= {"peer": _peer(given.via), "proxy": None}
    if given.caller is not None:
        settings["caller"] = _caller(given.caller)
    try:
        settings |= _credentials(given)
        if given.route is None:
            if given.config is not None:
                raise ConfigurationError("--config is of no use without --route")
            callers = allowing(given.allow, Callers())
            return Chosen(direct_route(**settings), host_port(listen) if listen else default, callers)
        configuration = Configuration.find(given.config)
        route = configuration.route(given.route, **settings)
        callers = allowing(given.allow, configuration.callers)
    except ConfigurationError as error:
        more = len(error.sentences) - 1
        told = f" (and {more} more: t38fsp routes tells them all)" if more > 0 else ""
        raise CommandError(f"{error.sentences[0]}{told}", Exit.USAGE) from error
    if listen is not None:
        return Chosen(route, host_port(listen), callers)
    of_file = default if configuration.listen is None else host_port(configuration.listen)
    # The port of the file is for who takes calls there.
    return Chosen(route, of_file if port else (of_file[0], 0), callers)


def host_port(text: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[IPv6]:PORT``; port 0 is any. Raises CommandError."""
    # Port 0 is no port of an address, but means something here.
    host_text, _, port_text = text.rpartition(":")
    try:
        host, port = parse_host_port(host_text if port_text == "0" else text)
    except ParseError as error:
        raise CommandError(f"--listen {text!r}: {error}", Exit.USAGE) from error
    if port_text == "0":
        port = 0
    if port is None:
        raise CommandError(
            f"--listen {text!r} has no port; write it as HOST:PORT, with port 0 for any", Exit.USAGE
        )
    return host, port


def _peer(text: str) -> str:
    try:
        return peer_address(text)
    except AddressError as error:
        raise CommandError(str(error), Exit.BAD_NUMBER) from error


def _caller(text: str) -> str:
    try:
        return caller_address(text)
    except AddressError as error:
        raise CommandError(f"--from {error}", Exit.USAGE) from error


def _credentials(given: Given) -> dict[str, object]:
    """Raises ConfigurationError."""
    user: dict[str, object] = {} if given.user is None else {"user": given.user}
    if given.password_file is not None:
        if given.user is None and given.route is None:
            raise ConfigurationError("--password-file is of no use without --user or --route")
        return user | {"password": read_password(given.password_file)}
    if given.user is not None and given.route is None and not os.environ.get("T38FSP_PASSWORD"):
        raise ConfigurationError("--user needs --password-file or the environment variable T38FSP_PASSWORD")
    return user
