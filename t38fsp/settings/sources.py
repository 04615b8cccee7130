"""Settings that come from several places, of which the first one counts: given ones (the command line), the
environment, a table of the file, the default.

``T38FSP_SWITCH`` stands for ``switch``, ``T38FSP_DIAL__REGION`` for ``dial.region``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Self

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from t38fsp.choices import PREFIX
from t38fsp.settings.errors import ConfigurationError, sentences

DELIMITER = "__"
"""Between the names of a table and a key in it."""

_TABLE = "layered_table"
"""Argument that carries the table of the file."""
_NEAR = 0.85
"""Likeness (difflib) beyond which a name is taken for a misspelt one; others may have variables like ours."""


class Layered(BaseSettings):
    """Settings to be made with :meth:`merge`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        env_ignore_empty=True,
        allow_inf_nan=False,
        defer_build=True,
    )

    @classmethod
    def merge(
        cls,
        given: Mapping[str, Any],
        table: Mapping[str, Any],
        where: str,
        elsewhere: Mapping[str, str] | None = None,
    ) -> Self:
        """Of the ``given`` settings, the environment and ``table``, the first one first.

        Raises ConfigurationError with a sentence for each wrong setting; ``where`` tells in them of the
        table, ``elsewhere`` where keys belong that are none of these settings.
        """

        def place(path: tuple[str, ...]) -> str:
            if path and path[0] in given:
                return f"the setting {'.'.join(path)}"
            return variable_of(path) or ", ".join(filter(None, [where, ".".join(path)])) or "the settings"

        try:
            return cls(**{**given, _TABLE: dict(table)})
        except ValidationError as error:
            raise ConfigurationError(*sentences(error, cls, place, elsewhere or {})) from error
        except SettingsError as error:
            raise ConfigurationError(
                f"{_not_json(str(error))}: not JSON, as lists and tables must be there"
            ) from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        given = init_settings()
        table = given.pop(_TABLE, {})
        return InitSettingsSource(settings_cls, given), env_settings, InitSettingsSource(settings_cls, table)


def _not_json(error: str) -> str:
    """The variables that an error of pydantic is about, which names only the field."""
    field = re.search(r'field "(\w+)"', error)
    begin = f"{PREFIX}{field[1]}".upper() if field else PREFIX
    meant = [name for name in sorted(os.environ) if name.upper().partition(DELIMITER)[0] == begin]
    return ", ".join(["the environment", " or ".join(meant) or begin])


def misspelt(known: Iterable[str]) -> list[str]:
    """A sentence for each environment variable that is nearly one of these settings, and none of them."""
    names = {f"{PREFIX}{key}".upper() for key in known}
    told = []
    for variable in sorted(os.environ):
        name = variable.upper().partition(DELIMITER)[0]
        close = get_close_matches(name, names, n=1, cutoff=_NEAR)
        if name.startswith(PREFIX) and name not in names and close:
            told.append(
                f"the environment variable {variable}: there is no such setting; {close[0]} is near to it"
            )
    return told


def variable_of(path: tuple[str, ...]) -> str | None:
    """The environment variable, in words, that says something of the setting that ``path`` leads to."""
    for end in range(len(path), 0, -1):
        name = f"{PREFIX}{DELIMITER.join(path[:end])}".upper()
        if os.environ.get(name):
            return f"the environment variable {name}"
    return None
