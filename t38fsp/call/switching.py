"""The part of a call that runs before the switch to T.38: who asks for it, and what is heard meanwhile.

policy   the calling side             the called side
CALLEE   waits                        asks at the answer
CALLER   asks at the answer           waits
EITHER   asks after ``switch_wait``: both sides do
FIRST    has asked in its INVITE      asks at the answer

With FIRST, a far end that refuses T.38 in the INVITE gets another one with audio; from then on it is EITHER.

Whatever the policy, V.21 in the audio has us ask, once more if need be: a fax machine is talking, and nobody
answers it. Until the switch only tones are played and heard. When all this happens, and how long T.38 is
waited for, stands in the rows of ``t38fsp.call.table``.
"""

from __future__ import annotations

from sip.line import Ended
from sip.values import Address
from t38fsp.audio.leg import AudioLeg, Role, RtpStart
from t38fsp.audio.rtp import looks_like_rtp
from t38fsp.call import verdict
from t38fsp.call.media import AudioMedia
from t38fsp.call.record import CallRecord
from t38fsp.call.verdict import Verdict
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Switch
from t38fsp.lanes import Lane
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


_TALKED = 10.0
"""Seconds from the answer after which a fax machine that was heard has talked, also if its V.21 was not."""

_OWN_TONE = {Role.CALLING: Tone.CNG, Role.ANSWERING: Tone.CED}
"""What we play, and may hear again as an echo."""

# With FIRST the caller has asked in its INVITE: nothing is left to ask at the answer.
_AT_ONCE = {Role.CALLING: {Switch.CALLER}, Role.ANSWERING: {Switch.CALLEE, Switch.FIRST}}


class Switching:
    """The audio leg, early T.38, and the guards of the table that are about the switch.

    What is heard goes into ``record``.
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
        self._policy = settings.switch
        """EITHER also where FIRST was refused."""
        self._role = role
        self._start = start
        self._patience = patience
        self._record = record
        self._audio: AudioLeg | None = None
        self._early = EarlyDatagrams()
        self._answered_at: float | None = None
        self._v21 = False
        """V.21 was heard."""
        self.asked = False
        """We have offered T.38."""

    def note_answer(self, now: float, *, offered: bool) -> None:
        """The call is up; ``offered`` tells whether T.38 was in what was answered."""
        self._answered_at = now
        if self.asked and not offered:
            self.asked, self._policy = False, Switch.EITHER

    # --- guards of the table -------------------------------------------------------------------------------

    def asks_at_once(self) -> bool:
        """The policy has us offer T.38 at the answer."""
        return self._policy in _AT_ONCE[self._role]

    def asks_later(self) -> bool:
        """The policy has us offer T.38 if the far end does not."""
        return self._policy is Switch.EITHER

    def is_our_turn(self) -> bool:
        """We may offer T.38 as well as the far end, and have not."""
        return self._settings.switch is Switch.EITHER and not self.asked

    # --- the audio -----------------------------------------------------------------------------------------

    def agreed(self, media: AudioMedia, now: float) -> None:
        """Audio holds from now on, in this law."""
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
        if self._audio is not None:
            self._audio.stop()
            self._audio = None

    @property
    def lane(self) -> Lane | None:
        """The way out of our tones."""
        return self._audio

    def take_v21(self) -> bool:
        """Note the signals heard; true when V.21 is among them for the first time."""
        first = False
        for heard in [] if self._audio is None else self._audio.take_signals():
            if isinstance(heard, ToneHeard):
                if heard.tone is not _OWN_TONE[self._role]:
                    self._record.heard.add(heard.tone.value)
            else:
                self._record.heard.add("V.21")
                first = first or not self._v21
                self._v21 = True
        return first

    # --- verdicts ------------------------------------------------------------------------------------------

    def no_switch(self) -> Verdict:
        """On a call that stayed in audio."""
        record = self._record
        return verdict.of_no_switch(
            record.refusal,
            offered=self.asked,
            declined=record.declined,
            heard=record.heard_text(),
            is_fax=bool(record.heard),
        )

    def cut_off(self, ended: Ended, now: float) -> Verdict:
        """On a call that ended in audio. A fax machine that got no answer will get none next time."""
        if self._record.declined:
            return self.no_switch()
        waited = 0.0 if self._answered_at is None else now - self._answered_at
        refusal, heard = self._record.refusal, bool(self._record.heard)
        lacks_t38 = self._v21 or (heard and (waited >= _TALKED or refusal is not None))
        return verdict.of_end(
            ended,
            switched=False,
            heard=self._record.heard_text(),
            lacks_t38=ended.remote and lacks_t38,
            refusal=refusal,
        )
