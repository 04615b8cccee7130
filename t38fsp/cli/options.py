"""From options to the route that a command uses, and the address that it listens at."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from t38fsp.cli.exits import CommandError, Exit
from t38fsp.jobs import EngineSettings
from t38fsp.settings.address import AddressError, caller_address, listen_address, peer_address
from t38fsp.settings.file import Configuration, ConfigurationError, direct_route
from t38fsp.settings.incoming import allowing
from t38fsp.settings.passwords import read_password
from t38fsp.settings.route import Route


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
    listen: str | None = None
    signalling: Path | None = None


@dataclass(frozen=True, slots=True)
class Chosen:
    """The merged route, and our own end."""

    route: Route
    engine: EngineSettings


def choose(given: Given, *, port: int) -> Chosen:
    """``port`` is ours when nothing else is said. Raises CommandError."""
    if given.signalling is not None and given.listen is not None:
        raise CommandError(
            "--listen is of no use with --signalling, as that process has the SIP address", Exit.USAGE
        )
    settings: dict[str, Any] = {key: value for key, value in given.settings.items() if value is not None}
    if given.via is not None:
        # Named on the command line, it stands for a proxy of the file, too.
        settings |= {"peer": _peer(given.via), "proxy": None}
    if given.caller is not None:
        settings["caller"] = _caller(given.caller)
    try:
        settings |= _credentials(given)
        configuration = Configuration.find(given.config)
        if given.route is None:
            route = direct_route(**settings)
        else:
            route = configuration.route(given.route, **settings)
        # What stands above the routes is about us, whichever route the call takes.
        engine, said = configuration.engine, configuration.listen
        engine = replace(engine, callers=allowing(given.allow, engine.callers))
    except ConfigurationError as error:
        more = len(error.sentences) - 1
        told = f" (and {more} more: t38fsp routes tells them all)" if more > 0 else ""
        raise CommandError(f"{error.sentences[0]}{told}", Exit.USAGE) from error
    if given.signalling is not None:
        engine = replace(engine, signalling=str(given.signalling))
    if not port:
        # Who only places calls leaves that port to who takes them.
        engine = replace(engine, tls_listen=None)
    if given.listen is not None:
        # An address of our own: no signalling process of the file is meant.
        return Chosen(route, replace(listen_at(engine, given.listen), signalling=None))
    if engine.signalling is not None and given.allow:
        raise CommandError(
            f"--allow is of no use here, as the signalling process at {engine.signalling} takes the calls; "
            "allow them there",
            Exit.USAGE,
        )
    if said is None:
        return Chosen(route, replace(engine, listen=("0.0.0.0", port)))
    if port:
        return Chosen(route, engine)
    return Chosen(route, replace(engine, listen=(said[0], 0)))


def listen_at(engine: EngineSettings, text: str) -> EngineSettings:
    """The settings with the address of ``--listen``. Raises CommandError."""
    try:
        return replace(engine, listen=listen_address(text))
    except AddressError as error:
        raise CommandError(f"--listen {error}", Exit.USAGE) from error


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
