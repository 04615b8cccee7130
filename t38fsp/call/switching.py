"""The part of a call before the switch to T.38: which end asks for it, and what is heard meanwhile::

    policy   the calling side             the called side
    CALLEE   waits                        asks at the answer
    CALLER   asks at the answer           waits
    EITHER   asks after ``switch_wait``: both sides do
    FIRST    has asked in its INVITE      asks at the answer

With FIRST, a far end that refuses T.38 in the INVITE gets another INVITE with audio; then the policy is
EITHER.

Whatever the policy, V.21 in the audio makes us ask, again if needed: a fax machine is talking, and nothing
responds to it. Until the switch only tones are played and detected. If the fax may go in audio, T.30 takes
over the audio leg when T.38 does not come; with ``only`` it does so at once. The rows of
``t38fsp.call.table`` define when all this happens, and how long the call waits for T.38.
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
from t38fsp.choices import Audio, Switch
from t38fsp.lanes import Lane
from t38fsp.t30.vocabulary import Tone, ToneHeard

_MOST_SOURCES = 4
_MOST_OF_ONE = 64
"""Bounds for early datagrams, in sources and in datagrams of one: more than a second of a gateway's
packets."""


class EarlyDatagrams:
    """Keeps early T.38 datagrams by their source, since a stranger that guesses the port can send some.

    A source never displaces another, except that the host ``expected`` displaces a stranger.
    """

    def __init__(self) -> None:
        self._by_source: dict[Address, list[bytes]] = {}

    def keep(self, data: bytes, source: Address, expected: Address | None) -> None:
        """Keep a datagram, within bounds; ``expected`` is the far end's media address as known so far."""
        kept = self._by_source.get(source)
        if kept is None:
            # Bounded: before its SDP the far end is unknown, and anyone can send to the port.
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
        """The datagrams of one source: the address announced, else another port of its host, else the first.

        The last is for far ends behind a NAT, which announce a wrong address.
        """
        kept, self._by_source = self._by_source, {}
        same_host = (source for source in kept if source[0] == announced[0])
        source = announced if announced in kept else next(same_host, next(iter(kept), None))
        return [] if source is None else kept[source]


_TALKED = 10.0
"""Seconds from the answer after which a fax machine whose tone was heard must have sent V.21, detected or
not."""

_OWN_TONE = {Role.CALLING: Tone.CNG, Role.ANSWERING: Tone.CED}
"""The tone that we play, and may hear as an echo."""

# With FIRST the caller has asked in its INVITE, so it does not ask at the answer.
_AT_ONCE = {Role.CALLING: {Switch.CALLER}, Role.ANSWERING: {Switch.CALLEE, Switch.FIRST}}


class Switching:
    """The audio leg, early T.38, and the guards of the table that concern the switch.

    Tones that are heard are added to ``record``.
    """

    def __init__(
        self,
        settings: CallSettings,
        role: Role,
        start: RtpStart,
        record: CallRecord,
        patience: float | None = None,
        audio: Audio = Audio.NEVER,
    ) -> None:
        self._settings = settings
        self.audio = audio
        """Becomes NEVER if the library of modems cannot be loaded."""
        self._policy = settings.switch
        """Becomes EITHER if FIRST was refused."""
        self._role = role
        self._start = start
        self._patience = patience
        self._record = record
        self._audio: AudioLeg | None = None
        self._early = EarlyDatagrams()
        self._answered_at: float | None = None
        self._v21 = False
        """V.21 was heard."""
        self.played_tone = False
        """The tone of this end has been played, or is being played."""
        self.asked = False
        """We have offered T.38."""

    def note_answer(self, now: float, *, offered: bool) -> None:
        """The call is up; ``offered`` is whether our description contains T.38."""
        self._answered_at = now
        # With FIRST the second INVITE offered audio alone: the first one was refused for its T.38.
        if self.asked and not offered:
            self.asked, self._policy = False, Switch.EITHER

    # --- guards of the table -------------------------------------------------------------------------------

    def asks_at_once(self) -> bool:
        """The policy is to offer T.38 at the answer."""
        return self.audio is not Audio.ONLY and self._policy in _AT_ONCE[self._role]

    def asks_later(self) -> bool:
        """The policy is to offer T.38 if the far end does not."""
        return self.audio is not Audio.ONLY and self._policy is Switch.EITHER

    def is_our_turn(self) -> bool:
        """Either end may offer T.38, and we have not yet."""
        return self._settings.switch is Switch.EITHER and not self.asked

    def uses_audio(self) -> bool:
        """The fax goes in audio if T.38 does not come."""
        return self.audio is not Audio.NEVER and self._audio is not None

    def uses_only_audio(self) -> bool:
        """The fax goes in audio, whatever the far end offers."""
        return self.audio is Audio.ONLY

    # --- the audio -----------------------------------------------------------------------------------------

    def agreed(self, media: AudioMedia, now: float) -> None:
        """Audio with this G.711 law is in effect from now on."""
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
        self.played_tone = True

    def hand_over(self) -> AudioLeg:
        """The audio leg, for T.30 to use; nothing more is played or detected here."""
        leg, self._audio = self._audio, None
        assert leg is not None, "T.30 begins in audio that was agreed on"
        return leg

    def receive(self, data: bytes, source: Address, expected: Address | None, now: float) -> bool:
        """Take a datagram; true if it was audio. Early T.38 is kept, with preference for the host
        ``expected``."""
        if self._audio is not None and self._audio.receive(data, now):
            return True
        self.keep_early(data, source, expected)
        return False

    def keep_early(self, data: bytes, source: Address, expected: Address | None) -> None:
        """Keep a datagram that may be T.38, for a switch that is still to come."""
        if not looks_like_rtp(data):
            self._early.keep(data, source, expected)

    def take_early(self, announced: Address) -> list[bytes]:
        """Early T.38, from before the SDP that names ``announced``."""
        return self._early.take(announced)

    def end(self) -> None:
        """Stop the audio: T.38 has begun, or the call has ended."""
        if self._audio is not None:
            self._audio.stop()
            self._audio = None

    @property
    def lane(self) -> Lane | None:
        """The lane that sends our tones."""
        return self._audio

    def take_v21(self) -> list[bool]:
        """Record the signals heard; for each preamble of V.21 among them, whether it is the first one."""
        preambles: list[bool] = []
        for heard in [] if self._audio is None else self._audio.take_signals():
            if isinstance(heard, ToneHeard):
                # An echo of our own tone is not a fax machine: without this, a call to a telephone looked as
                # if one had answered.
                if heard.tone is not _OWN_TONE[self._role]:
                    self._record.heard.add(heard.tone.value)
            else:
                self._record.heard.add("V.21")
                preambles.append(not self._v21)
                self._v21 = True
        return preambles

    # --- verdicts ------------------------------------------------------------------------------------------

    def no_switch(self) -> Verdict:
        """The verdict on a call that stayed in audio, and in which T.30 did not begin."""
        record = self._record
        if self.uses_only_audio():
            return verdict.of_no_audio(record.declined)
        return verdict.of_no_switch(
            record.refusal,
            offered=self.asked,
            declined=record.declined,
            heard=record.heard_text(),
            is_fax=bool(record.heard),
            no_modems=record.no_modems,
        )

    def cut_off(self, ended: Ended, now: float) -> Verdict:
        """The verdict on a call that ended in audio; NO_T38 if a fax machine talked and got no response."""
        if self._record.declined:
            return self.no_switch()
        waited = 0.0 if self._answered_at is None else now - self._answered_at
        refusal, heard = self._record.refusal, bool(self._record.heard)
        # A tone alone may be a telephone that hung up before anything could be agreed on.
        lacks_t38 = self._v21 or (heard and (waited >= _TALKED or refusal is not None))
        return verdict.of_end(
            ended,
            switched=False,
            heard=self._record.heard_text(),
            lacks_t38=ended.remote and lacks_t38,
            refusal=refusal,
        )
