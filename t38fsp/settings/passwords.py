"""The sources of passwords in the configuration file: the file itself, another file, or a variable."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from t38fsp.settings.errors import ConfigurationError

PASSWORD = "password"
"""The key of an account."""
KEY_PASSWORD = "key_password"
"""The key of the password of our TLS key."""

_MAX_PASSWORD = 1024


def without_sources(table: Mapping[str, object], secret: str = PASSWORD) -> dict[str, object]:
    """The table without the keys that name a source of the password; the password itself stays."""
    return {key: value for key, value in table.items() if key not in _sources(secret)}


def resolve(
    table: Mapping[str, object], file: Path, mode: int, where: str, secret: str = PASSWORD
) -> dict[str, object]:
    """Read the setting ``secret`` from its source in ``table``: the key itself, or the key with the suffix
    ``_file`` or ``_variable``. Returns an empty dict without one.

    ``file`` is the configuration file and ``mode`` its mode; relative paths are relative to its folder.
    Raises ConfigurationError, whose message begins with ``where``.
    """
    in_file, in_variable = _sources(secret)
    named = [key for key in (secret, in_file, in_variable) if key in table]
    if len(named) > 1:
        raise ConfigurationError(f"{where}: {' and '.join(named)} are both set; keep only one")
    if not named:
        return {}
    (key,) = named
    source = table[key]
    if key == secret:
        check_mode(mode, where, secret)
        return {secret: source}
    if not isinstance(source, str):
        raise ConfigurationError(f"{where}, {key}: {source!r} is not a string; put it in quotes")
    try:
        if key == in_variable:
            return {secret: _of_variable(source)}
        return {secret: read_password(file.parent / Path(source).expanduser())}
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}, {key}: {error}") from error


def _sources(secret: str) -> tuple[str, str]:
    return f"{secret}_file", f"{secret}_variable"


def check_mode(mode: int, where: str, secret: str = PASSWORD) -> None:
    """Raises ConfigurationError if other users can read or write a file with this mode."""
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(
            f"{where}, {secret}: other users can read this file (mode {stat.S_IMODE(mode):04o}); "
            f"set its mode to 0600, or use {secret}_file"
        )


def _of_variable(name: str) -> str:
    """The password in an environment variable. Raises ConfigurationError."""
    password = os.environ.get(name, "")
    if not password:
        raise ConfigurationError(f"the environment variable {name} is not set; set it to the password")
    return password


def read_password(file: Path) -> str:
    """The single line of a file with a password or key, which not all may read. Raises ConfigurationError."""
    (password,) = read_passwords(file, 1)
    return password


def read_passwords(file: Path, most: int) -> tuple[str, ...]:
    """The lines of such a file, up to ``most``. Raises ConfigurationError."""
    try:
        with file.open(encoding="utf-8") as stream:
            # Of the file that is open: its name could lead to another one a moment later.
            mode = os.fstat(stream.fileno()).st_mode
            # One character more than is valid: enough to tell a file that is too long, which may be a device.
            passwords = stream.read(most * (_MAX_PASSWORD + 1) + 1).rstrip("\r\n").splitlines()
    except OSError as error:
        raise ConfigurationError(
            f"the secret file {file} cannot be read: {error.strerror}; check its name"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"the secret file {file} is not UTF-8 text; save it in that encoding"
        ) from error
    if not 1 <= len(passwords) <= most or not all(map(_is_password, passwords)):
        lines = "one line, the password or key," if most == 1 else f"up to {most} lines, a secret each,"
        raise ConfigurationError(
            f"the secret file {file} is invalid; it must contain {lines} and nothing else"
        )
    # Others only: a group, such as that of a service, may share a password. The configuration file itself is
    # for its owner alone.
    if os.name == "posix" and mode & stat.S_IRWXO:
        raise ConfigurationError(
            f"every user of this machine can read the secret file {file} (mode {stat.S_IMODE(mode):04o}); "
            "set its mode to 0600 or 0640"
        )
    return tuple(passwords)


def _is_password(line: str) -> bool:
    return 0 < len(line) <= _MAX_PASSWORD and line.isprintable()
