"""The cover page that a command puts in front of its documents, from its options and a file."""

from __future__ import annotations

from pathlib import Path

from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.option_groups import CoverOptions, as_settings
from t38fsp.cover import Cover
from t38fsp.errors import SettingError

_MAX_OCTETS = 256 * 1024
"""Octets of the file with the fields of the page."""


def cover_of(options: CoverOptions) -> Cover | None:
    """None without ``--cover``. Raises CommandError."""
    given = {name: value for name, value in as_settings(options).items() if value is not None}
    template, file = given.pop("cover", None), given.pop("cover_fields", None)
    # A comment or a logo that would silently not be sent is worse than an error.
    if template is None:
        if file is not None or given:
            option = "cover-fields" if file is not None else next(iter(given)).replace("_", "-")
            raise CommandError(f"--{option} has no effect without --cover; name a template", Exit.USAGE)
        return None
    values = {} if file is None else _read(Path(str(file)))
    try:
        # Options come after the file, and so override its fields.
        return Cover.of(values | {name: str(value) for name, value in given.items()} | {"template": template})
    except SettingError as error:
        raise CommandError(str(error), Exit.USAGE) from error


def _read(file: Path) -> dict[str, object]:
    """What a TOML or JSON file says, by names. Raises CommandError."""
    # Only with such a file.
    import json
    import tomllib

    try:
        with file.open("rb") as stream:
            # One octet over the limit shows that the file is too long; its size does not, as a pipe
            # has none.
            data = stream.read(_MAX_OCTETS + 1)
        if len(data) > _MAX_OCTETS:
            raise ValueError(f"it has more than {_MAX_OCTETS} octets")
        # Editors on Windows write a byte order mark, which neither JSON (RFC 8259 8.1) nor tomllib
        # accepts.
        text = data.decode("utf-8-sig")
        values = json.loads(text) if file.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise CommandError(
            f"--cover-fields: {file} cannot be read ({(error.strerror or '').lower()}); check its name",
            Exit.USAGE,
        ) from error
    # RecursionError: a quarter of a megabyte of brackets is nested deeper than either parser can follow.
    except (ValueError, RecursionError) as error:
        raise CommandError(
            f"--cover-fields: {file} is neither TOML nor JSON as its name says: {error}; correct it",
            Exit.USAGE,
        ) from error
    if not isinstance(values, dict):
        raise CommandError(
            f"--cover-fields: {file} is not an object of names and texts; write it as {{…}}", Exit.USAGE
        )
    # A logo is beside the file that names it.
    if isinstance(logo := values.get("logo"), str) and logo:
        values["logo"] = str(file.parent / logo)
    return values
