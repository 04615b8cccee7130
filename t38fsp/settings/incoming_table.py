"""``[incoming]`` of the configuration file: admitted callers, and limits of incoming calls."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sip.line_settings import Callers, Limits
from sip.values import Credentials
from t38fsp.settings.keys import made, with_keys


class CallerAccount(BaseModel):
    """``{ user = "ata", password_file = "ata.password" }``"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)


@with_keys("incoming", Callers, Limits)
class IncomingTable(BaseModel):
    """``[incoming]``; the other keys come from the dataclasses named above."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    accounts: tuple[CallerAccount, ...] = ()
    """Accounts that may call from any address, with digest authentication:
    ``[{ user = "ata", password_file = "ata.password" }]``."""

    @property
    def callers(self) -> Callers:
        accounts = (Credentials(each.user, each.password.get_secret_value()) for each in self.accounts)
        return made(Callers, {"incoming": self}, accounts=tuple(accounts))

    @property
    def limits(self) -> Limits:
        return made(Limits, {"incoming": self})
