"""The configuration file: where it is searched for, how it is read, and how settings are merged.

The file is the first of these that exists: the one named by ``$T38FSP_CONFIG``, ``t38fsp.toml`` in the
current directory, ``$XDG_CONFIG_HOME/t38fsp/config.toml`` (``~/.config`` without that variable),
``/etc/t38fsp.toml``. The precedence of settings from several sources: :mod:`t38fsp.settings.sources`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from sip.transport.tls import TlsError, client_context
from t38fsp.choices import PREFIX
from t38fsp.settings.dial_plan import DialPlan
from t38fsp.settings.errors import ConfigurationError, UnknownRouteError
from t38fsp.settings.local import Endpoint, Tls
from t38fsp.settings.passwords import KEY_PASSWORD, check_mode, resolve, without_sources
from t38fsp.settings.places import found, usual_places
from t38fsp.settings.route import T38, Route
from t38fsp.settings.sources import misspelt

__all__ = ["Configuration", "ConfigurationError", "direct_route"]

_DEFAULT = Path("the default configuration")
"""Stands for the file where a program's own mapping is used; its folder is the current directory."""
_MAX_OCTETS = 1024 * 1024
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_TLS_FILES = ("certificate", "key", "authorities")


class _File(Endpoint):
    routes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    service: dict[str, Any] = Field(default_factory=dict)


_ABOVE = dict.fromkeys(Route.model_fields, "to [routes.NAME]")
"""Where keys of a route belong that were found above all tables."""
_IN_ROUTE = (
    dict.fromkeys(_File.model_fields, "above all tables")
    | dict.fromkeys(T38.model_fields, "to [routes.NAME.t38]")
    | dict.fromkeys(DialPlan.model_fields, "to [routes.NAME.dial]")
)
"""Where keys belong that were found in a route by mistake."""


class Configuration:
    """The content of a configuration file, or of none; a route is checked when it is requested."""

    def __init__(self, file: Path | None, content: _File, mode: int, place: Path | None) -> None:
        self.file = file
        """Path of the file; None if there is none."""
        self.place = place
        """Source of the settings, as named in messages; None if there is no file."""
        self.endpoint: Endpoint = content
        """The settings of our own end."""
        self.engine = content.settings
        """The same as settings of an engine."""
        self.inbox = content.received.settings
        """What is made of received faxes."""
        self.listen = content.address
        """Our SIP address; None if the file does not set it."""
        self.service = content.service
        """``[service]`` as it is written, for :mod:`t38fsp.service.settings_file`; merged with the
        environment."""
        self._tables = content.routes
        self.mode = mode

    @classmethod
    def find(
        cls, file: str | os.PathLike[str] | None = None, *, default: Mapping[str, Any] | None = None
    ) -> Self:
        """Read ``file``, or the first file found in the usual places.

        If there is none, ``default`` is used instead, for a program that works with and without a file: a
        mapping with the structure of the file, such as
        ``{"listen": "0.0.0.0:5070", "routes": {"office": {"peer": "pbx.example"}}}``. Environment variables
        take precedence over it as over a file; relative paths in it are relative to the current directory.
        Without either there are no routes, and the settings of our own end come from the environment and the
        defaults.

        Raises ConfigurationError for a named file that is missing, for an invalid file or ``default``, and
        for an invalid environment variable.
        """
        if file is not None:
            return cls.read(Path(file))
        if (place := found()) is not None:
            return cls.read(place)
        if default is not None:
            # A mapping has no permissions; 0600 lets it contain passwords, as a file of the user alone.
            return cls._of(None, default, 0o600, _DEFAULT)
        return cls(None, _checked({}, "the environment"), 0, None)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read ``file``. Raises ConfigurationError."""
        try:
            with file.open("rb") as stream:
                # One more than allowed tells a larger file, and a device without an end is not read for ever.
                data = stream.read(_MAX_OCTETS + 1)
                # Of the file that was read: its name may lead to another one by now.
                mode = os.fstat(stream.fileno()).st_mode
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror}; check its name") from error
        if len(data) > _MAX_OCTETS:
            raise ConfigurationError(
                f"{file} is larger than {_MAX_OCTETS} octets, so it is not a configuration file; name another"
            )
        try:
            content = tomllib.loads(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{file} is not UTF-8 text; save it in that encoding") from error
        except tomllib.TOMLDecodeError as error:
            hint = "; put strings in quotes" if "Invalid value" in str(error) else ""
            raise ConfigurationError(f"{file} is not valid TOML: {error}{hint}") from error
        except RecursionError as error:
            raise ConfigurationError(f"{file} is not valid TOML: brackets are nested too deeply") from error
        return cls._of(file, content, mode, file)

    @classmethod
    def _of(cls, file: Path | None, content: Mapping[str, Any], mode: int, place: Path) -> Self:
        """Check the ``content`` of a file with this mode, or of a mapping. Raises ConfigurationError."""
        # Before the check: keys such as password_file are none of the models, which refuse unknown ones.
        content = _with_files(_with_passwords(content, place, mode), place.parent)
        checked = _checked(content, str(place))
        for name, table in checked.routes.items():
            where = f"{place}, route {name!r}"
            if not _NAME.fullmatch(name):
                raise ConfigurationError(
                    f"{where}: the name is invalid; "
                    "use up to 64 letters, digits, hyphens, dots and underscores"
                )
            # For all routes, also those that are not used: the file can be read by others already.
            if "password" in table:
                check_mode(mode, where)
        return cls(file, checked, mode, place)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the routes, in the order of the file."""
        return tuple(self._tables)

    def route(self, name: str, **given: Any) -> Route:
        """The route merged with the environment and with ``given`` settings, which take precedence.

        Raises UnknownRouteError for a name that the file does not have, ConfigurationError for settings that
        are wrong, or where there is no file.
        """
        if self.place is None:
            raise ConfigurationError(no_file())
        table = self._tables.get(name)
        if table is None:
            known = ", ".join(self._tables) or "none"
            raise UnknownRouteError(f"{self.place} has no route {name!r}; known routes: {known}")
        where = f"{self.place}, route {name!r}"
        merged = dict(table)
        # A source that would not be used is not read either: its file may be missing on purpose.
        if "password" not in given and not os.environ.get(f"{PREFIX}PASSWORD"):
            merged |= resolve(table, self.place, self.mode, where)
        route = _merge(where, without_sources(merged), given).named(name)
        if route.peer is None:
            raise ConfigurationError(
                f"{where}, peer: missing; set it to the HOST[:PORT] that calls are sent to"
            )
        return route

    def check(self) -> list[str]:
        """One sentence for each error in any route."""
        wrong: list[str] = []
        for name in self._tables:
            try:
                self.route(name)
            except ConfigurationError as error:
                wrong += error.sentences
        return wrong


def direct_route(**given: Any) -> Route:
    """A route made only of the environment and the ``given`` settings. Raises ConfigurationError."""
    return _merge("", {}, given)


def no_file() -> str:
    """The message for a missing configuration file."""
    shown = ", ".join(map(str, usual_places()))
    return (
        f"no configuration file was found: none of {shown} exists; create one of them, or name another file"
    )


def _checked(content: Mapping[str, Any], where: str) -> _File:
    """Raises ConfigurationError."""
    checked = _File.merge({}, content, where, _ABOVE)
    _check_tls(checked, where)
    return checked


def _merge(where: str, table: Mapping[str, Any], given: Mapping[str, Any]) -> Route:
    # Here, where all keys are known: our own end and a route read the same variables.
    # "config" is T38FSP_CONFIG, which names the file itself.
    if wrong := misspelt({"config", *_File.model_fields, *Route.model_fields}):
        raise ConfigurationError(*wrong)
    secret = "password" in table or "password" in given
    if not (secret or given.get("user") or table.get("user") or os.environ.get(f"{PREFIX}USER")):
        # A password in the environment is meant for another route: this one has no account.
        given = {**given, "password": None}
    return Route.merge(given, table, where, _IN_ROUTE)


def _check_tls(endpoint: Endpoint, where: str) -> None:
    """Check that the TLS files can be loaded. Raises ConfigurationError."""
    # Only where TLS is set up at all: loading the authorities of the system takes a while.
    if endpoint.tls != Tls():
        try:
            client_context(endpoint.tls.settings)
        except TlsError as error:
            raise ConfigurationError(f"{where}, tls: {error}") from error


def _with_passwords(content: Mapping[str, Any], file: Path, mode: int) -> dict[str, Any]:
    """The content of a file with the passwords of our own end filled in; those of routes are read on
    demand."""
    content = dict(content)
    incoming, tls = content.get("incoming"), content.get("tls")
    if isinstance(incoming, dict) and isinstance(accounts := incoming.get("accounts"), list):
        read = [
            {**without_sources(each), **resolve(each, file, mode, f"{file}, incoming.accounts.{index}")}
            if isinstance(each, dict)
            else each
            for index, each in enumerate(accounts)
        ]
        content["incoming"] = {**incoming, "accounts": read}
    if isinstance(tls, dict):
        secret = resolve(tls, file, mode, f"{file}, tls", KEY_PASSWORD)
        content["tls"] = {**without_sources(tls, KEY_PASSWORD), **secret}
    return content


def _with_files(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The content of a file in ``folder`` with its relative paths made absolute."""

    def whole(table: Mapping[str, Any], *keys: str) -> dict[str, Any]:
        return {
            key: str(folder / Path(value).expanduser())
            if key in keys and isinstance(value, str) and value
            else value
            for key, value in table.items()
        }

    content = whole(content, "signalling")
    if isinstance(tls := content.get("tls"), dict):
        content["tls"] = whole(tls, *_TLS_FILES)
    if isinstance(routes := content.get("routes"), dict):
        content["routes"] = {
            name: whole(route, "font") if isinstance(route, dict) else route for name, route in routes.items()
        }
    return content
