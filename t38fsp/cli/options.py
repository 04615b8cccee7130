"""From options to the route that a command uses, and the address that it listens at."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sip.frozen import dataclass
from sip.line_settings import Callers
from t38fsp.call_settings import CallSettings
from t38fsp.cli.exits import CommandError, Exit
from t38fsp.errors import SettingError
from t38fsp.inbox_settings import InboxSettings
from t38fsp.jobs import EngineSettings
from t38fsp.settings import places
from t38fsp.settings.address import AddressError, caller_address, listen_address, peer_address
from t38fsp.settings.errors import ConfigurationError

if TYPE_CHECKING:
    from t38fsp.settings.route import Route


# How a ConfigurationError begins when the setting came from an argument, not from a file or variable.
_ARGUMENT = re.compile(r"the setting (\w+)[\w.]*: ")
_OPTIONS = {"peer": "via", "caller": "from", "password": "password-file"}
"""Options whose names differ from those of their settings."""


@dataclass(frozen=True, slots=True)
class Given:
    """The options that concern a route; None for those not given."""

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
    workers: int | None = None
    """Engine processes."""
    inbox: dict[str, object] = field(default_factory=dict)
    """Those that have the names of the settings of an inbox."""

    @property
    def says_only_addresses(self) -> bool:
        """Nothing that has to be checked as the settings of a route are."""
        others = (self.route, self.config, self.user, self.password_file, *self.settings.values())
        return all(each is None for each in others)


@dataclass(frozen=True, slots=True)
class Chosen:
    """How the calls are placed or taken, and our own end."""

    route: Route | None
    """Merged with all that was said; None where nothing was but ``via`` and ``caller``."""
    engine: EngineSettings
    via: str | None = None
    """The peer, if there is no route."""
    caller: str | None = None
    inbox: InboxSettings = InboxSettings()

    @property
    def routes(self) -> list[Route]:
        """Those that a provider has to know."""
        return [] if self.route is None else [self.route]

    @property
    def name(self) -> str | None:
        """Name of the route that calls are placed through."""
        return None if self.route is None else self.route.name

    @property
    def call(self) -> CallSettings:
        return CallSettings() if self.route is None else self.route.call


def choose(given: Given, *, port: int) -> Chosen:
    """``port`` is ours when nothing else is said. Raises CommandError."""
    if given.signalling is not None and given.listen is not None:
        raise CommandError(
            "--listen has no effect with --signalling, as that process has the SIP address", Exit.USAGE
        )
    via = None if given.via is None else _peer(given.via)
    caller = None if given.caller is None else _caller(given.caller)
    try:
        # The quick way to the INVITE: nothing has to be merged, so pydantic need not be imported.
        if given.says_only_addresses and places.nothing_is_set():
            chosen, said = Chosen(None, EngineSettings(), via, caller), None
        else:
            chosen, said = _merged(given, via, caller)
        engine = chosen.engine
        if given.allow:
            engine = replace(engine, callers=allowing(given.allow, engine.callers))
    except ConfigurationError as error:
        more = len(error.sentences) - 1
        others = f" (and {more} more: t38fsp routes lists them all)" if more > 0 else ""
        raise CommandError(f"{_with_option(error.sentences[0])}{others}", Exit.USAGE) from error
    return replace(chosen, engine=_own_end(given, engine, said, port), inbox=_inbox(given, chosen.inbox))


def _with_option(sentence: str) -> str:
    """A sentence about an argument of the route, about the option that it was given by."""
    key = _ARGUMENT.match(sentence)
    if key is None:
        return sentence
    option = _OPTIONS.get(key[1], key[1].replace("_", "-"))
    return f"--{option}: {sentence[key.end() :]}"


def _merged(given: Given, via: str | None, caller: str | None) -> tuple[Chosen, tuple[str, int] | None]:
    """Merge the command line, the environment and the file; also returns where we listen, if that is set.

    Raises ConfigurationError.
    """
    # All of it takes a third of the time until the INVITE, and only where there is something to merge.
    from t38fsp.settings.file import Configuration, direct_route

    settings: dict[str, Any] = {key: value for key, value in given.settings.items() if value is not None}
    if via is not None:
        # A peer on the command line also replaces a proxy of the file.
        settings |= {"peer": via, "proxy": None}
    if caller is not None:
        settings["caller"] = caller
    settings |= _credentials(given)
    # Read even if no route is named: the file also sets our own end, and the inbox.
    configuration = Configuration.find(given.config)
    name = given.route
    route = direct_route(**settings) if name is None else configuration.route(name, **settings)
    # Settings above the routes concern our own end, whichever route the call takes.
    return Chosen(route, configuration.engine, inbox=configuration.inbox), configuration.listen


def _own_end(given: Given, engine: EngineSettings, said: tuple[str, int] | None, port: int) -> EngineSettings:
    """Raises CommandError."""
    if given.signalling is not None:
        engine = replace(engine, signalling=str(given.signalling))
    if not port:
        # A command that only places calls leaves that port to one that takes them, and has one call at a
        # time.
        engine = replace(engine, tls_listen=None, workers=1)
    if given.workers is not None:
        try:
            engine = replace(engine, workers=given.workers)
        except SettingError as error:
            raise CommandError(f"--{error}", Exit.USAGE) from error
    if given.listen is not None:
        # An address of our own: no signalling process of the file is meant.
        return replace(listen_at(engine, given.listen), signalling=None)
    if engine.signalling is not None and given.allow:
        raise CommandError(
            f"--allow has no effect here, as the signalling process at {engine.signalling} takes the calls; "
            "allow them there",
            Exit.USAGE,
        )
    if said is None:
        return replace(engine, listen=("0.0.0.0", port))
    # The port in the file is that of the service, which may be running: we take its address, with any
    # port.
    return engine if port else replace(engine, listen=(said[0], 0))


def _inbox(given: Given, inbox: InboxSettings) -> InboxSettings:
    """Raises CommandError."""
    said: dict[str, Any] = {key: value for key, value in given.inbox.items() if value is not None}
    try:
        return replace(inbox, **said)
    except SettingError as error:
        raise of_setting(error) from error


def of_setting(error: SettingError) -> CommandError:
    """About the option that has the name of the setting."""
    name, colon, sentence = str(error).partition(": ")
    return CommandError(f"--{name.replace('_', '-')}{colon}{sentence}", Exit.USAGE)


def listen_at(engine: EngineSettings, text: str) -> EngineSettings:
    """The settings with the address of ``--listen``. Raises CommandError."""
    try:
        return replace(engine, listen=listen_address(text))
    except AddressError as error:
        raise CommandError(f"--listen {error}", Exit.USAGE) from error


def allowing(allow: Sequence[str], callers: Callers) -> Callers:
    """``callers`` with the networks of ``--allow`` in place of those that it has, if any is given. Raises
    ConfigurationError."""
    if not allow:
        return callers
    try:
        return replace(callers, allow=tuple(allow))
    except ValueError as error:
        raise ConfigurationError(f"--{error}") from error


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
        # A route names its own user; then the file replaces the password of that user only.
        if given.user is None and given.route is None:
            raise ConfigurationError("--password-file has no effect without --user or --route")
        from t38fsp.settings.passwords import read_password

        return user | {"password": read_password(given.password_file)}
    if given.user is not None and given.route is None and not os.environ.get("T38FSP_PASSWORD"):
        raise ConfigurationError("--user needs --password-file or the environment variable T38FSP_PASSWORD")
    return user
