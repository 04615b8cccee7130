"""What became of a fax: the result, with a record for every page."""

from __future__ import annotations

from dataclasses import field, replace

from sip.frozen import dataclass
from sip.values import DialogId
from t38fsp.outcome import Outcome
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.vocabulary import Coding, Resolution


@dataclass(frozen=True, slots=True)
class PageRecord:
    """One page of the document, after its last attempt.

    ``number`` counts from 1. ``confirmed`` is true only when the receiving end answered MCF or RTP (or, for
    a received page, when it was on disk and we did). ``response`` is the name of that answer, or of what came
    instead. ``bit_rate`` is that of the modem in bit/s, 0 where there was none (internet-aware mode),
    ``seconds`` runs from carrier to answer, ``repeats`` counts ECM frames (or, without ECM, whole pages) that
    had to travel again. A page that never travelled has zero in all of them.
    """

    number: int
    confirmed: bool
    response: str = ""
    bit_rate: int = 0
    coding: Coding | None = None
    ecm: bool = False
    octets: int = 0
    repeats: int = 0
    seconds: float = 0.0
    resolution: Resolution | None = None
    """That it travelled at, which may be another one than that of the document (see ``warnings``)."""
    bad_rows: int = 0
    """Receiving without ECM: rows that came damaged, and are in the file as the row before them."""


@dataclass(frozen=True, slots=True)
class FaxResult:
    """The end of a fax operation, sending or receiving.

    ``completed`` is true only when every page was confirmed, those of an earlier call included that this one
    went on from (see ``first_page``). ``reason`` is one sentence for a person.
    ``outcome`` is the same as ``status``, but tells apart what asks for different remedies; where it is not
    given, or belongs to another status, it is the plainest one of the status. ``retry`` says whether sending
    again can help, ``retry_reason`` why; of a call that came to us only the caller can send again, so there
    ``retry`` is false. ``sip_status`` is the final status of the INVITE (None when there was none); ``cause``
    the Q.850 cause, if the network gave one.
    """

    status: FaxStatus
    reason: str
    retry: bool = False
    retry_reason: str = ""
    sip_status: int | None = None
    sip_reason: str = ""
    cause: int | None = None
    t30_error: T30Failure | None = None
    dialog: DialogId | None = None
    remote_id: str = ""
    pages: tuple[PageRecord, ...] = ()
    first_page: int = 1
    """Sending: the number of the page that the call began with. Pages before it, if listed, are as an earlier
    call left them."""
    seconds: float = 0.0
    file: str | None = None
    """Receiving: the TIFF with the pages that were confirmed; None when there are none."""
    counters: dict[str, int] = field(default_factory=dict)
    """Quality of the line from the far end, by the names of ``t38fsp.t38.udptl.Counters``; ``stray_audio``
    and ``stray_other`` are datagrams of RTP, and unreadable ones, that came when T.38 was due."""
    remote_equipment: str = ""
    """Country and manufacturer in hexadecimal (T.35), when the far end told (NSF, NSS or NSC)."""
    remote_capabilities: tuple[str, ...] = ()
    """Names of the bits that the far end's DIS (or DTC) set."""
    sub_address: str = ""
    """Receiving: whom the caller asked for beside the number (SUB)."""
    sender_id: str = ""
    """Receiving: who the caller said that it is beside its number (SID)."""
    polled: bool = False
    """The fax went from the called end to the caller, who asked for it (DTC), or it was to."""
    warnings: tuple[str, ...] = ()
    """What was done otherwise than asked for, or may have gone wrong; sentences for a person."""
    outcome: Outcome = None  # type: ignore[assignment]  # never None behind __post_init__
    retry_after: float | None = None
    """Seconds, from the end of the call, for which the far end asked to be left alone (Retry-After)."""
    incoming: bool = False
    """The call came to us."""
    number: str = ""
    """Of a call that we placed: what was dialled, the user part of the URI, or the whole URI without one."""
    document: str | None = None
    """Sending, and when it was fetched from us: the path of the file."""
    began: str = ""
    """When the job was begun, and when it was over, by the wall clock (ISO 8601 with the offset from UTC)."""
    ended: str = ""

    def __post_init__(self) -> None:
        if self.outcome is None or self.outcome.status is not self.status:
            object.__setattr__(self, "outcome", Outcome.of(self.status))

    def told_to_receiver(self) -> FaxResult:
        """The same for the end that was called: it cannot call again."""
        if self.incoming:
            return self
        only = "only the caller can try again"
        why = only if self.completed or not self.retry_reason else f"{only}; {self.retry_reason}"
        return replace(self, incoming=True, retry=False, retry_reason=why)

    @property
    def completed(self) -> bool:
        return self.status is FaxStatus.COMPLETED

    @property
    def next_page(self) -> int | None:
        """Sending: the first page that is not confirmed, where another call can go on; None after success.

        That page may have arrived, if only its confirmation was lost: twice is better than never.
        """
        if self.completed:
            return None
        unconfirmed = (page.number for page in self.pages if not page.confirmed)
        behind = self.pages[-1].number + 1 if self.pages else self.first_page
        return next(unconfirmed, behind)

    @property
    def pages_confirmed(self) -> int:
        return sum(page.confirmed for page in self.pages)
