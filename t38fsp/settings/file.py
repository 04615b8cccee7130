"""The file of routes: where it is looked for, how it is read, and how settings of all sources are merged.

The file is the first of these that there is: what ``$T38FSP_CONFIG`` names, ``t38fsp.toml`` in the current
directory, ``$XDG_CONFIG_HOME/t38fsp/config.toml`` (``~/.config`` without that variable),
``/etc/t38fsp.toml``. What counts of settings that come from several places: :mod:`t38fsp.settings.sources`.
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


_ABOVE = dict.fromkeys(Route.model_fields, "in [routes.NAME]")
"""Where the keys of a route belong that stand above all tables."""
_IN_ROUTE = (
    dict.fromkeys(_File.model_fields, "above all tables")
    | dict.fromkeys(T38.model_fields, "in [routes.NAME.t38]")
    | dict.fromkeys(DialPlan.model_fields, "in [routes.NAME.dial]")
)
"""Where those belong that stand in a route."""


class Configuration:
    """A file that was read, or none; its routes are checked when they are asked for."""

    def __init__(self, file: Path | None, content: _File, mode: int, place: Path | None) -> None:
        self.file = file
        """None when there is none."""
        self._place = place
        """Where the routes are, in the words of messages; None when nothing has any."""
        self.endpoint: Endpoint = content
        """Our own end."""
        self.engine = content.settings
        """The same for an engine."""
        self.listen = content.address
        """Where we listen; None when it is not said."""
        self._tables = content.routes
        self._mode = mode

    @classmethod
    def find(
        cls, file: str | os.PathLike[str] | None = None, *, default: Mapping[str, Any] | None = None
    ) -> Self:
        """Read ``file``, or the first of the usual places where there is one.

        Where none of these is there, ``default`` is used in its place, for a program that works with and
        without a file: a mapping with the structure of the file, such as
        ``{"listen": "0.0.0.0:5070", "routes": {"office": {"peer": "pbx.example"}}}``. Variables of the
        environment come before it as before a file; relative paths in it start at the current directory.
        Without either there are no routes, and our own end is what the environment and the defaults say.

        Raises ConfigurationError for a file that is named and missing, for a file or a ``default`` that is
        wrong, and for a wrong variable.
        """
        if file is not None:
            return cls.read(Path(file))
        if (place := found()) is not None:
            return cls.read(place)
        if default is not None:
            return cls._of(None, default, 0o600, _DEFAULT)
        return cls(None, _checked({}, "the environment"), 0, None)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises ConfigurationError."""
        try:
            with file.open("rb") as stream:
                data = stream.read(_MAX_OCTETS + 1)
                mode = os.fstat(stream.fileno()).st_mode
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be read: {error.strerror}; check its name") from error
        if len(data) > _MAX_OCTETS:
            raise ConfigurationError(
                f"{file} is larger than {_MAX_OCTETS} octets, which no file of routes is"
            )
        try:
            content = tomllib.loads(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{file} is not text in UTF-8") from error
        except tomllib.TOMLDecodeError as error:
            hint = "; texts are written in quotes" if "Invalid value" in str(error) else ""
            raise ConfigurationError(f"{file} is not TOML: {error}{hint}") from error
        except RecursionError as error:
            raise ConfigurationError(
                f"{file} is not TOML that anybody can read: too many brackets"
            ) from error
        return cls._of(file, content, mode, file)

    @classmethod
    def _of(cls, file: Path | None, content: Mapping[str, Any], mode: int, place: Path) -> Self:
        """``content`` of a file with that mode, or of none. Raises ConfigurationError."""
        content = _with_files(_with_passwords(content, place, mode), place.parent)
        checked = _checked(content, str(place))
        for name, table in checked.routes.items():
            where = f"{place}, route {name!r}"
            if not _NAME.fullmatch(name):
                raise ConfigurationError(
                    f"{where}: a name has up to 64 letters, digits, hyphens, dots and underscores"
                )
            if "password" in table:
                check_mode(mode, where)
        return cls(file, checked, mode, place)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the routes, in the order of the file."""
        return tuple(self._tables)

    def route(self, name: str, **given: Any) -> Route:
        """The route merged with the environment and with ``given`` settings, which come first.

        Raises UnknownRouteError for a name that the file does not have, ConfigurationError for settings that
        are wrong, or where there is no file.
        """
        if self._place is None:
            raise ConfigurationError(no_file())
        table = self._tables.get(name)
        if table is None:
            known = ", ".join(self._tables) or "none at all"
            raise UnknownRouteError(f"{self._place} has no route {name!r}; it has {known}")
        where = f"{self._place}, route {name!r}"
        merged = dict(table)
        if "password" not in given and not os.environ.get(f"{PREFIX}PASSWORD"):
            merged |= resolve(table, self._place, self._mode, where)
        route = _merge(where, without_sources(merged), given).named(name)
        if route.peer is None:
            raise ConfigurationError(f"{where}, peer: it is missing; name the HOST[:PORT] that calls go to")
        return route

    def check(self) -> list[str]:
        """A sentence for each thing that is wrong with any route."""
        wrong: list[str] = []
        for name in self._tables:
            try:
                self.route(name)
            except ConfigurationError as error:
                wrong += error.sentences
        return wrong


def direct_route(**given: Any) -> Route:
    """A route of the environment and ``given`` settings alone. Raises ConfigurationError."""
    return _merge("", {}, given)


def no_file() -> str:
    """The sentence that says where one is missed."""
    shown = ", ".join(map(str, usual_places()))
    return f"there is no file with routes: none of {shown} exists; write one of them, or name another"


def _checked(content: Mapping[str, Any], where: str) -> _File:
    """Raises ConfigurationError."""
    checked = _File.merge({}, content, where, _ABOVE)
    _check_tls(checked, where)
    return checked


def _merge(where: str, table: Mapping[str, Any], given: Mapping[str, Any]) -> Route:
    if wrong := misspelt({"config", *_File.model_fields, *Route.model_fields}):
        raise ConfigurationError(*wrong)
    secret = "password" in table or "password" in given
    if not (secret or given.get("user") or table.get("user") or os.environ.get(f"{PREFIX}USER")):
        # A password of the environment is not meant for a route without an account.
        given = {**given, "password": None}
    return Route.merge(given, table, where, _IN_ROUTE)


def _check_tls(endpoint: Endpoint, where: str) -> None:
    """See that its files can be used. Raises ConfigurationError."""
    if endpoint.tls != Tls():
        try:
            client_context(endpoint.tls.settings)
        except TlsError as error:
            raise ConfigurationError(f"{where}, tls: {error}") from error


def _with_passwords(content: Mapping[str, Any], file: Path, mode: int) -> dict[str, Any]:
    """The content of a file with the passwords of our own end; those of routes are read when needed."""
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
    """The content of a file in ``folder`` with whole paths."""

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
    return content
