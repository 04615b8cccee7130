"""``[incoming]`` of the configuration file: who may call, and how much of it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from sip.ua.admission import parse_network
from sip.values import Credentials
from t38fsp.jobs import Callers, EngineSettings, Limits
from t38fsp.settings.errors import ConfigurationError
from t38fsp.settings.keys import made, with_keys

ANYBODY = "any"
"""Stands for every network."""


def _network(text: str) -> str:
    return text if text == ANYBODY else str(parse_network(text))


class Account(BaseModel):
    """``{ user = "ata", password_file = "ata.password" }``"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)


@with_keys("incoming", EngineSettings, Limits)
class Incoming(BaseModel):
    """``[incoming]``, beside the limits that the dataclasses above have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    """Networks and addresses beside this machine and the routes' peers; "any" for everybody."""
    accounts: tuple[Account, ...] = ()
    """Who may call from anywhere, with digest authentication."""
    silent: bool = True
    """Give others no answer at all, instead of 403."""

    @property
    def callers(self) -> Callers:
        return Callers(
            networks=tuple(text for text in self.allow if text != ANYBODY),
            accounts=tuple(
                Credentials(each.user, each.password.get_secret_value()) for each in self.accounts
            ),
            anybody=ANYBODY in self.allow,
            silent=self.silent,
        )

    @property
    def limits(self) -> Limits:
        return made(Limits, {"incoming": self})


def allowing(allow: Sequence[str], callers: Callers) -> Callers:
    """``callers`` with these networks instead of its own, if there are any. Raises ConfigurationError."""
    if not allow:
        return callers
    try:
        networks = tuple(_network(text) for text in allow)
    except ValueError as error:
        raise ConfigurationError(f"--allow: {error}") from error
    allowed = Incoming(allow=networks).callers
    return replace(callers, networks=allowed.networks, anybody=allowed.anybody)
