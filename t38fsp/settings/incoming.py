"""``[incoming]`` of the configuration file: who may call, and how much of it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from sip.ua.admission import parse_network
from sip.values import Credentials
from t38fsp.jobs import Callers, Limits
from t38fsp.settings.errors import ConfigurationError

ANYBODY = "any"
"""Stands for every network."""


def _network(text: str) -> str:
    return text if text == ANYBODY else str(parse_network(text))


class Account(BaseModel):
    """``{ user = "ata", password_file = "ata.password" }``"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)


class Incoming(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    """Networks and addresses beside this machine and the routes' peers; "any" for everybody."""
    accounts: tuple[Account, ...] = ()
    """Who may call from anywhere, with digest authentication."""
    silent: bool = True
    """Give others no answer at all, instead of 403."""
    max_calls: int = Field(default=1000, ge=1, le=100000)
    """Calls at a time, in both directions."""
    max_waiting: int = Field(default=64, ge=1, le=100000)
    """Incoming calls that are neither taken nor refused."""
    max_per_source: int | None = Field(default=None, ge=1, le=100000)
    """Incoming calls from one IP address."""
    max_transactions: int = Field(default=4096, ge=16, le=1000000)
    """Requests that are not finished."""

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
        return Limits(self.max_waiting, self.max_per_source, self.max_transactions)


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
