"""From the answer to T.38: who asks for it, when, and how long the other side is waited for.

policy   the calling side             the called side
CALLEE   waits                        asks at the answer
CALLER   asks at the answer           waits
EITHER   asks after ``switch_wait``: both sides do
FIRST    has asked in its INVITE      asks at the answer

With FIRST, a far end that refuses T.38 in the INVITE gets another one with audio; from then on it is EITHER.

Whatever the policy, V.21 in the audio has us ask, once more if need be: a fax machine is talking, and nobody
answers it. Until the switch only tones are played and heard.
"""

from __future__ import annotations

from sip.line import Ended, OfferRefused
from sip.values import Address
from t38fsp.audio.leg import AudioLeg, Role, RtpStart
from t38fsp.audio.rtp import looks_like_rtp
from t38fsp.audio.signals import AudioSignal
from t38fsp.call import verdict
from t38fsp.call.media import AudioMedia
from t38fsp.call.record import CallRecord
from t38fsp.call.verdict import Verdict
from t38fsp.jobs import CallSettings, Switch
from t38fsp.t30.vocabulary import Tone, ToneHeard

_MOST_SOURCES = 4
_MOST_OF_ONE = 64
"""Datagrams: more than a second of anything that a gateway says before the switch."""


class EarlyDatagrams:
    """Keeps datagrams by their source, since anybody who guesses the port can send some.

    No source takes the place of another. Those of the host that ``expected`` names always find a place.
    """

    def __init__(self) -> None:
        self._by_source: dict[Address, list[bytes]] = {}

    def keep(self, data: bytes, source: Address, expected: Address | None) -> None:
        """``expected`` is where the far end's media is known to be so far."""
        kept = self._by_source.get(source)
        if kept is None:
            if len(self._by_source) >= _MOST_SOURCES and not self._make_room(source, expected):
                return
            kept = self._by_source[source] = []
        if len(kept) < _MOST_OF_ONE:
            kept.append(data)

    def _make_room(self, source: Address, expected: Address | None) -> bool:
        if expected is None or source[0] != expected[0]:
            return False
        stranger = next((known for known in self._by_source if known[0] != expected[0]), None)
        if stranger is not None:
            del self._by_source[stranger]
        return stranger is not None

    def take(self, announced: Address) -> list[bytes]:
        """Those of one source: the address announced, else another port of its host, else the first heard.

        The last is for far ends behind a NAT, which know their address wrongly.
        """
        kept, self._by_source = self._by_source, {}
        same_host = (source for source in kept if source[0] == announced[0])
        source = announced if announced in kept else next(same_host, next(iter(kept), None))
        return [] if source is None else kept[source]


T1 = 35.0
"""Seconds from the answer to T.38 before the call is given up (T.30 T1)."""

THEY_MAY_ASK = 15.0
"""Seconds that a call goes on after a refusal, whatever the policy. Carriers that take no switch from their
customers make their own up to 10 s later: when the gateway hears the first V.21 of the machine behind it."""
_THEIR_TURN = 0.5
"""Seconds from V.21 that a far end is left that is meant to ask, or that refused and may ask now: its gateway
hears the fax as we do, and two offers at once cost seconds."""
_URGENT = 5.0
"""Seconds that a call goes on from V.21 at least, so that an offer can be made and answered."""
_TALKED = 10.0
"""Seconds from the answer after which a fax machine that was heard has talked, also if its V.21 was not."""

_OWN_TONE = {Role.CALLING: Tone.CNG, Role.ANSWERING: Tone.CED}
"""What we play, and may hear again as an echo."""

_AT_ONCE = {Role.CALLING: {Switch.CALLER}, Role.ANSWERING: {Switch.CALLEE, Switch.FIRST}}


class Switching:
    """The part of a call that runs before the switch, as the fax leg does from then on.

    What is heard goes into ``record``. After every input see what :meth:`asks` and :meth:`gives_up` say.
    """

    def __init__(
        self,
        settings: CallSettings,
        role: Role,
        start: RtpStart,
        record: CallRecord,
        patience: float | None = None,
    ) -> None:
        self._settings = settings
        self._role = role
        self._start = start
        self._patience = patience
        self._record = record
        self._audio: AudioLeg | None = None
        self._early = EarlyDatagrams()
        self._refusal: OfferRefused | None = None
        self._declined = ""
        """What they offered and we refused, and why."""
        self._answered_at: float | None = None
        self._open = False
        """Our offer has not been answered."""
        self._talks = False
        """V.21 was heard."""
        self._ask_at: float | None = None
        self._give_up_at: float | None = None
        self.asked = False
        """We have offered T.38."""

    def answered(self, now: float, *, offered: bool = True) -> None:
        """The call is up: the wait begins. ``offered`` tells whether T.38 was in what was answered."""
        self._answered_at = now
        self._give_up_at = now + T1
        policy = self._settings.switch
        if self.asked and not offered:
            self.asked, policy = False, Switch.EITHER
        if policy in _AT_ONCE[self._role]:
            self._ask_at = now
        elif policy is Switch.EITHER:
            self._ask_at = now + self._settings.switch_wait

    def agreed(self, media: AudioMedia, now: float) -> None:
        """Audio holds from now on, in this law."""
        self._open = False
        if self._audio is not None:
            self._audio.change(media.payload_type, media.law)
            return
        self._audio = AudioLeg(
            role=self._role,
            payload_type=media.payload_type,
            law=media.law,
            start=self._start,
            patience=self._patience,
        )
        self._audio.start(now)

    def refused(self, now: float, refusal: OfferRefused | None = None) -> None:
        """The far end does not take our T.38; without ``refusal`` its 200 said so."""
        self._refusal = refusal or self._refusal
        self._open = False
        if self._give_up_at is not None:
            self._give_up_at = min(self._give_up_at, now + THEY_MAY_ASK)

    def declined(self, told: str) -> None:
        """We do not take what the far end has offered; they may make another offer."""
        self._declined = told

    def receive(self, data: bytes, source: Address, expected: Address | None, now: float) -> bool:
        """Take a datagram; true when it was audio. T.38 is kept, that of the host of ``expected`` for one."""
        if self._audio is not None and self._audio.receive(data, now):
            return True
        if not looks_like_rtp(data):
            self._early.keep(data, source, expected)
        return False

    def take_early(self, announced: Address) -> list[bytes]:
        """T.38 that came before its SDP, which names ``announced``."""
        return self._early.take(announced)

    def end(self) -> None:
        """T.38 is there, or never will be."""
        self._audio = self._ask_at = self._give_up_at = None

    def next_deadline(self) -> float | None:
        audio = None if self._audio is None else self._audio.next_deadline()
        times = (audio, self._ask_at, self._give_up_at)
        return min((time for time in times if time is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        if self._audio is not None:
            self._audio.handle_deadline(now)

    def take_packets(self) -> list[bytes]:
        """RTP to send now."""
        return [] if self._audio is None else self._audio.take_packets()

    def asks(self, now: float) -> bool:
        """Whether to offer T.38 now; true once for the policy, and once for V.21."""
        for heard in [] if self._audio is None else self._audio.take_signals():
            self._hear(heard, now)
        if self._ask_at is None or now < self._ask_at:
            return False
        self._ask_at = None
        if self._open:
            return False
        self.asked = self._open = True
        return True

    def _hear(self, heard: AudioSignal, now: float) -> None:
        if isinstance(heard, ToneHeard):
            if heard.tone is not _OWN_TONE[self._role]:
                self._record.heard.add(heard.tone.value)
            return
        self._record.heard.add("V.21")
        if not self._talks:
            self._talks = True
            ours = self._settings.switch is Switch.EITHER and not self.asked
            self._ask_at = now if ours else now + _THEIR_TURN
            if self._give_up_at is not None:
                self._give_up_at = max(self._give_up_at, now + _URGENT)

    def gives_up(self, now: float) -> Verdict | None:
        """Why it is too late for T.38; None as long as it is not."""
        if self._give_up_at is None or now < self._give_up_at:
            return None
        return verdict.of_no_switch(
            self._refusal,
            offered=self.asked,
            declined=self._declined,
            heard=self._record.heard_text(),
            is_fax=bool(self._record.heard),
        )

    def cut_off(self, ended: Ended, now: float) -> Verdict:
        """The call is over, and never switched. A fax machine that got no answer will get none next time."""
        if self._declined:
            return verdict.of_no_switch(
                self._refusal,
                offered=self.asked,
                declined=self._declined,
                heard=self._record.heard_text(),
                is_fax=bool(self._record.heard),
            )
        waited = 0.0 if self._answered_at is None else now - self._answered_at
        lacks_t38 = self._talks or (bool(self._record.heard) and waited >= _TALKED)
        return verdict.of_end(
            ended, switched=False, heard=self._record.heard_text(), lacks_t38=ended.remote and lacks_t38
        )
