"""Merging of settings from several sources, in order of precedence: given ones (the command line), the
environment, a table of the file, the default.

``T38FSP_SWITCH`` sets ``switch``, ``T38FSP_DIAL__REGION`` sets ``dial.region``.
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
"""Separator of a table's name and a key in it."""

_TABLE = "layered_table"
"""Argument that passes the table of the file to the settings sources."""
_NEAR = 0.85
"""Similarity (difflib) above which a name counts as misspelt; other programs may use the prefix, too."""


class Layered(BaseSettings):
    """Settings to be made with :meth:`merge`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        # An empty variable is the usual way to unset one for a single command.
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
        """Merge the ``given`` settings, the environment and ``table``, in that order of precedence.

        Raises ConfigurationError with one sentence for each invalid setting. In them ``where`` names the
        table; ``elsewhere`` maps keys that are not among these settings to the place where they belong.
        """

        def place(path: tuple[str, ...]) -> str:
            if path and path[0] in given:
                return f"the setting {'.'.join(path)}"
            return variable_of(path) or ", ".join(filter(None, [where, ".".join(path)])) or "the settings"

        try:
            # There is no other way to hand a source one of its values; settings_customise_sources takes
            # it out again.
            return cls(**{**given, _TABLE: dict(table)})
        except ValidationError as error:
            raise ConfigurationError(*sentences(error, cls, place, elsewhere or {})) from error
        except SettingsError as error:
            raise ConfigurationError(
                f"{_not_json(str(error))}: the value is not JSON; write lists and tables as JSON"
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
        # pydantic takes the first source that has a value, key by key, inside tables, too.
        return InitSettingsSource(settings_cls, given), env_settings, InitSettingsSource(settings_cls, table)


def _not_json(error: str) -> str:
    """Names the variables that an error of pydantic concerns; the error itself names only the field."""
    field = re.search(r'field "(\w+)"', error)
    begin = f"{PREFIX}{field[1]}".upper() if field else PREFIX
    meant = [name for name in sorted(os.environ) if name.upper().partition(DELIMITER)[0] == begin]
    return ", ".join(["the environment", " or ".join(meant) or begin])


def misspelt(known: Iterable[str]) -> list[str]:
    """One sentence for each environment variable that is probably a misspelt setting."""
    names = {f"{PREFIX}{key}".upper() for key in known}
    found = []
    for variable in sorted(os.environ):
        # pydantic-settings takes variables in any case.
        name = variable.upper().partition(DELIMITER)[0]
        if not name.startswith(PREFIX) or name in names:
            continue  # similarity takes long, and an environment may be large
        close = get_close_matches(name, names, n=1, cutoff=_NEAR)
        if close:
            found.append(f"the environment variable {variable}: unknown setting; did you mean {close[0]}?")
    return found


def variable_of(path: tuple[str, ...]) -> str | None:
    """A phrase naming the environment variable that sets ``path``, if there is one."""
    for end in range(len(path), 0, -1):
        name = f"{PREFIX}{DELIMITER.join(path[:end])}".upper()
        if os.environ.get(name):
            return f"the environment variable {name}"
    return None
