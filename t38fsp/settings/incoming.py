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

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    allow: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    """Networks and addresses, ``["192.0.2.0/24", "2001:db8::7"]``; ``["any"]`` is everybody. ``receive
    --allow`` comes before it."""
    accounts: tuple[Account, ...] = ()
    """Who may call from anywhere, with digest authentication:
    ``[{ user = "ata", password_file = "ata.password" }]``."""
    silent: bool = True
    """Give all others no answer, so that scanners find nothing; ``false`` refuses them with 403. Does not
    hold with accounts, as those are asked for the password."""

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
