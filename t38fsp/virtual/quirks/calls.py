"""Quirks of SIP: who switches when, and what happens to the call besides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import ClassVar

from sip.syntax.sdp import MediaDescription, SessionDescription
from t38fsp.audio.leg import Role
from t38fsp.t30.frames import FCF
from t38fsp.t30.vocabulary import Burst, LineSignal
from t38fsp.virtual.hooks import Gateway, Habits, Moment, Quirk, check
from t38fsp.virtual.quirks.signals import command_of, ends_document, heard

_ANSWERING = frozenset({Role.ANSWERING})


# Carriers differ: most switch on V.21, some on CED, and AudioCodes advises against switching by the caller.
@dataclass(frozen=True, slots=True)
class SwitchAfter(Quirk):
    """Offers T.38 0 to 30 seconds after the answer; a calling gateway does so in its INVITE with 0.

    An endpoint that starts T.30 in audio meanwhile, or gives up, fails; with 0 both sides may offer at once.
    """

    seconds: float = 20.0
    name: ClassVar[str] = "switch-after"

    def __post_init__(self) -> None:
        check(0 <= self.seconds <= 30, self.name, "0 to 30 seconds")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, switch_after=self.seconds)


@dataclass(frozen=True, slots=True)
class LeavesSwitch(Quirk):
    """Never offers T.38, and takes it when it is offered.

    An endpoint that waits for the called side to switch waits forever.
    """

    name: ClassVar[str] = "leaves-switch"
    roles: ClassVar[frozenset[Role]] = _ANSWERING
    excludes: ClassVar[frozenset[str]] = frozenset({"switch-after"})

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, switch_after=None)


class Refusal(Enum):
    STATUS = "488"
    ZERO = "port-0"
    """200 with ``m=image 0``, which is a refusal too."""


# 488, 415 and 606 all mean "stay in audio", and so does port 0, which crashed an Asterisk (AST-2021-006).
@dataclass(frozen=True, slots=True)
class RefusesT38(Quirk):
    """Refuses every offer of T.38, by 488 or by port 0, and makes none.

    An endpoint that hangs up at once loses the voice call, too. No fax is possible.
    """

    how: Refusal = Refusal.STATUS
    name: ClassVar[str] = "refuses-t38"
    survivable: ClassVar[bool] = False

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, switch_after=None)

    def media_out(
        self,
        media: Sequence[MediaDescription] | None,
        offer: SessionDescription | None,
        gateway: Gateway,
    ) -> Sequence[MediaDescription] | None:
        if offer is None or media is None or not any(each.kind == "image" for each in media):
            return media
        gateway.note(self.name)
        # An answer has a line for each of the offer; port 0 refuses it (RFC 3264 6).
        return None if self.how is Refusal.STATUS else [replace(each, port=0) for each in media]


# Media address and port are read anew from each description (rtpengine issue 766).
@dataclass(frozen=True, slots=True)
class OwnT38Port(Quirk):
    """Uses another port for T.38 than for audio (AudioCodes: 2 above).

    An endpoint that keeps sending to the first one is not heard.
    """

    name: ClassVar[str] = "own-t38-port"

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, own_t38_port=True)


@dataclass(frozen=True, slots=True)
class AddressChange(Quirk):
    """Moves its T.38 to another port by a re-INVITE, 1 or more seconds after the switch.

    An endpoint that has pinned the first address neither reaches nor hears the gateway.
    """

    seconds: float = 12.0
    name: ClassVar[str] = "address-change"

    def __post_init__(self) -> None:
        check(self.seconds >= 1, self.name, "1 second or more")

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.SWITCHED:
            gateway.after(self.seconds, lambda: self._move(gateway))

    def _move(self, gateway: Gateway) -> None:
        gateway.note(self.name)
        gateway.offer_image(new_port=True)


# RFC 4028 10: the body is the one that holds, with the same version in ``o=``. FreeSWITCH sent audio instead,
# and long faxes died at 1800 s (issue 2789).
@dataclass(frozen=True, slots=True)
class Refresh(Quirk):
    """Refreshes the session with the T.38 in effect, every 3 or more seconds of the fax.

    An endpoint that takes it for a new switch restarts T.30 or its numbering.
    """

    seconds: float = 9.0
    name: ClassVar[str] = "refresh"

    def __post_init__(self) -> None:
        check(self.seconds >= 3, self.name, "3 seconds or more")

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.SWITCHED:
            gateway.after(self.seconds, lambda: self._again(gateway))

    def _again(self, gateway: Gateway) -> None:
        gateway.note(self.name)
        gateway.offer_image()
        gateway.after(self.seconds, lambda: self._again(gateway))


@dataclass(frozen=True, slots=True)
class RefreshAudio(Quirk):
    """Refreshes the session with audio in mid-fax, 3 or more seconds after the switch.

    An endpoint that follows it back to audio loses the fax.
    """

    seconds: float = 14.0
    name: ClassVar[str] = "refresh-audio"

    def __post_init__(self) -> None:
        check(self.seconds >= 3, self.name, "3 seconds or more")

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.SWITCHED:
            gateway.after(self.seconds, lambda: self._to_audio(gateway))

    def _to_audio(self, gateway: Gateway) -> None:
        gateway.note(self.name)
        gateway.offer_audio()


# ASTERISK-26179. T.38 has no renegotiation in mid-fax, but to decline costs the call.
@dataclass(frozen=True, slots=True)
class NewParameters(Quirk):
    """Offers T.38 again in mid-fax, with a rate, version and datagram size other than those in effect.

    An endpoint that adopts these, or refuses the offer, breaks the fax.
    """

    seconds: float = 10.0
    name: ClassVar[str] = "new-parameters"

    def __post_init__(self) -> None:
        check(self.seconds >= 1, self.name, "1 second or more")

    def stage(self, gateway: Gateway) -> Quirk:
        return _NewParameters(self.seconds)


class _NewParameters(Quirk):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._changed = False

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.SWITCHED:
            gateway.after(self._seconds, lambda: self._offer(gateway))

    def _offer(self, gateway: Gateway) -> None:
        self._changed = True
        gateway.note(NewParameters.name)
        gateway.offer_image()

    def media_out(
        self,
        media: Sequence[MediaDescription] | None,
        offer: SessionDescription | None,
        gateway: Gateway,
    ) -> Sequence[MediaDescription] | None:
        if not self._changed or media is None or offer is not None:
            return media
        # What changes the syntax, the rate and the sizes all at once; the packets on their way are
        # of the old ones.
        parameters = replace(gateway.habits.parameters, version=3, max_bit_rate=9600, max_datagram=160)
        return [
            parameters.to_media(each.port) if each.kind == "image" and each.port else each for each in media
        ]


# Asterisk issue 824: a call that is over for T.30 still has a dialog, and an offer in it an answer.
@dataclass(frozen=True, slots=True)
class BackToAudio(Quirk):
    """Returns to audio by a re-INVITE when the fax is over, before either end hangs up.

    An endpoint that answers with 481, or takes the fax for interrupted, reports a complete fax as failed.
    """

    name: ClassVar[str] = "back-to-audio"
    excludes: ClassVar[frozenset[str]] = frozenset({"early-hang-up"})

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.FINISHED:
            gateway.note(self.name)
            gateway.offer_audio()


# MCF after EOP is the confirmation; DCN adds nothing to it (FreeSWITCH and spandsp relaxed this, too).
@dataclass(frozen=True, slots=True)
class EarlyHangUp(Quirk):
    """Hangs up with the MCF to the last page: DCN is neither waited for nor sent.

    An endpoint that requires DCN reports a complete fax as failed.
    """

    name: ClassVar[str] = "early-hang-up"
    excludes: ClassVar[frozenset[str]] = frozenset({"crp"})

    def stage(self, gateway: Gateway) -> Quirk:
        return _HangsUpEarly()


class _HangsUpEarly(Quirk):
    def __init__(self) -> None:
        self._last_page = False
        self._confirmed = False

    def signal_in(self, signal: LineSignal, gateway: Gateway) -> Iterable[LineSignal]:
        frame = heard(signal)
        if frame is not None and ends_document(frame) is not None:
            self._last_page = bool(ends_document(frame))
        return (signal,)

    def burst_out(self, burst: Burst, gateway: Gateway) -> Iterable[Burst]:
        command = command_of(burst)
        if gateway.role is Role.CALLING and command is FCF.DCN:
            gateway.note(EarlyHangUp.name)
            gateway.hang_up()
            return ()
        # Hung up when this burst has left (BURST_SENT): the MCF itself still arrives.
        self._confirmed = self._last_page and command is FCF.MCF
        return (burst,)

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.BURST_SENT and self._confirmed and gateway.role is Role.ANSWERING:
            gateway.note(EarlyHangUp.name)
            gateway.hang_up()


@dataclass(frozen=True, slots=True)
class HangsUp(Quirk):
    """Hangs up 0 or more seconds after the switch, whatever goes on.

    An endpoint that reports the page on the line as sent reports a false success.
    """

    seconds: float = 20.0
    name: ClassVar[str] = "hangs-up"
    survivable: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check(self.seconds >= 0, self.name, "0 seconds or more")

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.SWITCHED:
            gateway.after(self.seconds, lambda: self._end(gateway))

    def _end(self, gateway: Gateway) -> None:
        gateway.note(self.name)
        gateway.hang_up()


# ThinkTel's documentation: a re-INVITE that comes from the customer is refused.
@dataclass(frozen=True, slots=True)
class OffersOnlyItself(Quirk):
    """Refuses T.38 that is offered to it, and offers it itself 1 to 4 seconds after the answer.

    An endpoint that hangs up when it is refused, or ignores later offers, fails (ThinkTel).
    """

    seconds: float = 4.0
    name: ClassVar[str] = "own-offer-only"
    excludes: ClassVar[frozenset[str]] = frozenset(
        {"switch-after", "leaves-switch", "refuses-t38", "own-t38-port", "both-media"}
    )

    def __post_init__(self) -> None:
        check(1 <= self.seconds <= 4, self.name, "1 to 4 seconds")

    def habits(self, habits: Habits) -> Habits:
        return replace(habits, switch_after=None)

    def moment(self, moment: Moment, gateway: Gateway) -> None:
        if moment is Moment.ANSWERED:
            gateway.after(self.seconds, lambda: None if gateway.switched else gateway.offer_image())

    def media_out(
        self,
        media: Sequence[MediaDescription] | None,
        offer: SessionDescription | None,
        gateway: Gateway,
    ) -> Sequence[MediaDescription] | None:
        images = media is not None and any(each.kind == "image" for each in media)
        if offer is None or gateway.switched or not images:
            return media
        gateway.note(self.name)
        return None


QUIRKS: tuple[type[Quirk], ...] = (
    SwitchAfter,
    LeavesSwitch,
    RefusesT38,
    OwnT38Port,
    AddressChange,
    Refresh,
    RefreshAudio,
    NewParameters,
    BackToAudio,
    EarlyHangUp,
    HangsUp,
    OffersOnlyItself,
)
