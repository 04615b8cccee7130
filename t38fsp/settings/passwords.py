"""Passwords of the configuration file: where it may keep them."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from t38fsp.settings.errors import ConfigurationError

PASSWORD = "password"
"""The key of an account."""
KEY_PASSWORD = "key_password"
"""That of our key for TLS."""

_MAX_PASSWORD = 1024


def without_sources(table: Mapping[str, object], secret: str = PASSWORD) -> dict[str, object]:
    """The table without where its password is; a password itself stays."""
    return {key: value for key, value in table.items() if key not in _sources(secret)}


def resolve(
    table: Mapping[str, object], file: Path, mode: int, where: str, secret: str = PASSWORD
) -> dict[str, object]:
    """The setting ``secret``, from where the table of ``file`` (with that mode) says that it is: the key
    itself, the same with ``_file`` or with ``_variable``. Empty without one.

    A relative file is beside ``file``. Raises ConfigurationError; ``where`` begins its sentence.
    """
    in_file, in_variable = _sources(secret)
    named = [key for key in (secret, in_file, in_variable) if key in table]
    if len(named) > 1:
        raise ConfigurationError(f"{where}: {' and '.join(named)} are both set; keep one")
    if not named:
        return {}
    (key,) = named
    source = table[key]
    if key == secret:
        check_mode(mode, where, secret)
        return {secret: source}
    if not isinstance(source, str):
        raise ConfigurationError(f"{where}, {key}: {source!r} is not a text; put it into quotes")
    try:
        if key == in_variable:
            return {secret: _of_variable(source)}
        return {secret: read_password(file.parent / Path(source).expanduser())}
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}, {key}: {error}") from error


def _sources(secret: str) -> tuple[str, str]:
    return f"{secret}_file", f"{secret}_variable"


def check_mode(mode: int, where: str, secret: str = PASSWORD) -> None:
    """Raises ConfigurationError unless a file with this mode may hold a password."""
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(
            f"{where}, {secret}: others may read this file (mode {stat.S_IMODE(mode):04o}); "
            f"make it 0600, or use {secret}_file"
        )


def _of_variable(name: str) -> str:
    """Raises ConfigurationError."""
    password = os.environ.get(name, "")
    if not password:
        raise ConfigurationError(f"the environment variable {name} is not set")
    return password


def read_password(file: Path) -> str:
    """The one line of a password file, which not everybody may read. Raises ConfigurationError."""
    try:
        with file.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
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
    if os.name == "posix" and mode & stat.S_IRWXO:
        raise ConfigurationError(
            f"everybody on this machine may read the password file {file} (mode {stat.S_IMODE(mode):04o}); "
            "make it 0600, or 0640"
        )
    return password
