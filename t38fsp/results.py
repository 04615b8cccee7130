"""The result of a fax, with a record of every page."""

from __future__ import annotations

from dataclasses import field, replace
from enum import Enum

from sip.frozen import dataclass
from sip.values import DialogId
from t38fsp.outcome import Outcome
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.vocabulary import Coding, Resolution


@dataclass(frozen=True, slots=True)
class PageRecord:
    """One page of the document, after its last attempt.

    ``number`` counts from 1. ``confirmed`` is true only if the receiving end responded with MCF or RTP (for a
    received page: if it was on disk and we did). ``response`` is the name of that response, or of what came
    instead. ``bit_rate`` is the modem rate in bit/s, 0 without a modem (internet-aware mode); ``seconds`` is
    the time from carrier to response; ``repeats`` counts retransmitted ECM frames or, without ECM, whole
    pages. All of them are zero for a page that was never transmitted.
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
    """Resolution on the line, which may differ from that of the document (see ``warnings``)."""
    bad_rows: int = 0
    """Receiving without ECM: rows that arrived damaged; the file repeats the row above in place of each."""


class Medium(Enum):
    """What carried a fax."""

    T38 = "t38"
    AUDIO = "audio"
    """T.30 over G.711."""


@dataclass(frozen=True, slots=True)
class AudioQuality:
    """A fax in audio as this end heard it. None where nothing was heard that tells."""

    level: float | None = None
    """dBm0, of the far end's V.21; a line loses 0 to 20 dB of about -12."""
    signal_to_noise: float | None = None
    """dB, estimated from what is heard between the far end's bursts; at most 50."""
    filled: int = 0
    """Packets of 20 ms that were lost, and replaced by the audio before them."""
    retrains: int = 0
    """Trainings of the far end's modem that failed here."""


@dataclass(frozen=True, slots=True)
class FaxResult:
    """The result of a fax operation, sending or receiving.

    ``completed`` is true only if every page was confirmed, including those of an earlier call that this one
    continued (see ``first_page``). ``reason`` is one sentence for a person. ``outcome`` is finer than
    ``status``: it distinguishes cases with different remedies. If it is not given, or belongs to another
    status, it is the most general one of the status. ``retry`` is true if sending again can help, and
    ``retry_reason`` explains why; it is false for incoming calls, as only the caller can send again.
    ``sip_status`` is the final status of the INVITE (None if there was none); ``cause`` is the Q.850 cause,
    if the network gave one.
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
    """Sending: number of the first page of this call. Pages before it, if listed, are as an earlier call left
    them."""
    seconds: float = 0.0
    file: str | None = None
    """Receiving: the file with the confirmed pages, a TIFF unless an inbox made a PDF; None if there are
    none."""
    counters: dict[str, int] = field(default_factory=dict)
    """Quality of the path from the far end, by the names of ``t38fsp.t38.udptl.Counters`` or, in audio, of
    ``t38fsp.audio.modem.intake.AudioCounters``; ``stray_audio`` and ``stray_other`` count RTP and unreadable
    datagrams that arrived where T.38 was expected."""
    medium: Medium | None = None
    """What carried the fax; None if T.30 did not begin."""
    modem: str = ""
    """Modulation of the pages, such as V.17; empty if training was not completed, or there is no modem."""
    audio: AudioQuality | None = None
    """With ``Medium.AUDIO``: how well this end heard the far end."""
    remote_equipment: str = ""
    """Country and manufacturer in hexadecimal (T.35), if the far end sent them (NSF, NSS or NSC)."""
    remote_capabilities: tuple[str, ...] = ()
    """Names of the bits that are set in the far end's DIS (or DTC)."""
    sub_address: str = ""
    """Receiving: subaddress that the caller asked for (SUB)."""
    sender_id: str = ""
    """Receiving: identification of the sender beside its number (SID)."""
    polled: bool = False
    """True if the fax was polled: sent by the called end on the caller's request (DTC), or meant to be."""
    warnings: tuple[str, ...] = ()
    """What was not done as requested, or may have failed; sentences for a person."""
    outcome: Outcome = None  # type: ignore[assignment]  # never None after __post_init__
    retry_after: float | None = None
    """Seconds after the end of the call before which the far end asked not to be called (Retry-After)."""
    incoming: bool = False
    """True for an incoming call."""
    number: str = ""
    """Outgoing: the number dialled: the user part of the URI, or the whole URI if it has none."""
    documents: tuple[str, ...] = ()
    """Sending, also when polled: the paths of the documents."""
    began: str = ""
    """Wall-clock times at which the job began (here) and ended (``ended``), ISO 8601 with the UTC offset."""
    ended: str = ""

    def __post_init__(self) -> None:
        # replace(result, status=…) passes the outcome of the old status along; it must not survive.
        if self.outcome is None or self.outcome.status is not self.status:
            # The class is frozen.
            object.__setattr__(self, "outcome", Outcome.of(self.status))

    def told_to_receiver(self) -> FaxResult:
        """The same result for the called end, which cannot retry."""
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
        """Sending: the first unconfirmed page, where another call can continue; None after success.

        That page may have arrived, if only its confirmation was lost: a duplicate is better than a missing
        page.
        """
        if self.completed:
            return None
        unconfirmed = (page.number for page in self.pages if not page.confirmed)
        # Every page listed is confirmed, but the result is not a success: the rest was never begun.
        following = self.pages[-1].number + 1 if self.pages else self.first_page
        return next(unconfirmed, following)

    @property
    def pages_confirmed(self) -> int:
        return sum(page.confirmed for page in self.pages)
