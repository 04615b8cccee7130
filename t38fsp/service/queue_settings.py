"""Settings of the queue: how many calls, what may be submitted, what follows a crash, what is kept."""

from __future__ import annotations

from sip.bounds import check, setting
from sip.frozen import dataclass
from t38fsp.errors import SettingError
from t38fsp.service.values import AfterCrash

_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Raises SettingError for a value out of range."""

    after_crash: AfterCrash = setting(AfterCrash.RESUME, table="")
    """What becomes of a fax whose host died while a page may have been received without our knowing:
    ``"resume"`` sends from the first page that was not confirmed, which may then arrive twice, and marks the
    fax; ``"hold"`` leaves it to a person."""
    max_calls: int = setting(100, least=1, most=10000, table="")
    """Outgoing calls of one host at the same time, and channels of a route that does not say how many it
    has."""
    reserve: int = setting(0, least=0, most=10000, table="")
    """Channels of each route that are kept free for incoming calls."""
    max_documents: int = setting(20, least=1, most=1000, table="")
    """Documents of a job."""
    max_document_octets: int = setting(50_000_000, least=1000, most=1_000_000_000, table="", unit="octets")
    """All documents of a job together."""
    max_receivers: int = setting(2000, least=1, most=100_000, table="")
    """Receivers of a job."""
    max_waiting: int = setting(100_000, least=1, most=10_000_000, table="")
    """Faxes that may wait at the same time; further ones are refused."""
    keep_jobs_days: float = setting(90.0, above=0.0, most=36500.0, unit="days", table="")
    """How long jobs, with their documents and results, and events are kept after the last fax is over."""
    drain: float = setting(60.0, least=0.0, most=86400.0, unit="seconds", table="")
    """How long the end of the service waits for running calls before it ends them; they continue later, with
    the page that was on the line."""

    def __post_init__(self) -> None:
        check(self, SettingError)

    @property
    def keep_seconds(self) -> float:
        return self.keep_jobs_days * _DAY
