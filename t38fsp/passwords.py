"""Passwords of the configuration file: where it may keep them."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from t38fsp.setting_errors import ConfigurationError

KEYS = ("password", "password_file", "password_variable")
"""Of a table with an account; at most one of them is set."""

_MAX_PASSWORD = 1024


def without_secrets(table: Mapping[str, object]) -> dict[str, object]:
    """The table without where its password is; a password itself stays."""
    return {key: value for key, value in table.items() if key not in KEYS[1:]}


def resolve(table: Mapping[str, object], file: Path, mode: int, where: str) -> dict[str, object]:
    """``password``, from where the table of ``file`` (with that mode) says that it is; empty without one.

    A relative ``password_file`` is beside the file. Raises ConfigurationError; ``where`` begins its sentence.
    """
    named = [key for key in KEYS if key in table]
    if len(named) > 1:
        raise ConfigurationError(f"{where}: {' and '.join(named)} are both set; keep one")
    if not named:
        return {}
    (key,) = named
    source = table[key]
    if key == "password":
        check_mode(mode, where)
        return {"password": source}
    if not isinstance(source, str):
        raise ConfigurationError(f"{where}, {key}: {source!r} is not a text; put it into quotes")
    try:
        if key == "password_variable":
            return {"password": _of_variable(source)}
        return {"password": read_password(file.parent / Path(source).expanduser())}
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}, {key}: {error}") from error


def check_mode(mode: int, where: str) -> None:
    """Raises ConfigurationError unless a file with this mode may hold a password."""
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(
            f"{where}, password: others may read this file (mode {stat.S_IMODE(mode):04o}); "
            "make it 0600, or use password_file"
        )


def _of_variable(name: str) -> str:
    """Raises ConfigurationError."""
    password = os.environ.get(name, "")
    if not password:
        raise ConfigurationError(f"the environment variable {name} is not set")
    return password


def read_password(file: Path) -> str:
    """The one line of a password file. Raises ConfigurationError."""
    try:
        with file.open(encoding="utf-8") as stream:
            password = stream.read(_MAX_PASSWORD + 1).rstrip("\r\n")
    except OSError as error:
        raise ConfigurationError(
            f"the password file {file} cannot be read: {error.strerror}; check its name"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"the password file {file} is not text in UTF-8") from error
    if not password or len(password) > _MAX_PASSWORD or not password.isprintable():
        raise ConfigurationError(
            f"the password file {file} must hold one line, the password, and nothing else"
        )
    return password
