"""The calling end: dial, and take the call to the switch; which way the fax goes is for who is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sip.line import CallRequest, Credentials, Hop, Identity, Line, SessionTimers
from t38fsp import events
from t38fsp.audio.leg import Role
from t38fsp.call.environment import CallEnvironment
from t38fsp.call.fax_leg import Session
from t38fsp.call.faxcall import FaxCall, Phase, Timer
from t38fsp.call.media import audio_offer, image_offer
from t38fsp.call.record import CallRecord
from t38fsp.jobs import CallSettings, Switch


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom to call: the URIs, the hops they lead to (best first), and what identifies us there."""

    target: str
    caller: str
    hops: Sequence[Hop]
    credentials: Credentials | None = None
    headers: tuple[tuple[str, str], ...] = ()
    identity: Identity = field(default_factory=Identity)
    session_timers: SessionTimers | None = None
    """None leaves it to the line."""
    routes: tuple[str, ...] = ()
    other_media_address: str | None = None
    """Where our media port is in the other address family, for hops of that family."""


class PlacedCall(FaxCall):
    """A call that we place."""

    def __init__(
        self,
        line: Line,
        destination: Destination,
        session: Session,
        settings: CallSettings,
        environment: CallEnvironment,
        record: CallRecord,
    ) -> None:
        super().__init__(line, session, settings, environment, Role.CALLING, record)
        self._destination = destination

    def start(self, now: float) -> None:
        """Dial."""
        self._record.started_at = now
        audio = audio_offer(self._capabilities)
        first = self._settings.switch is Switch.FIRST
        if first:
            self._switching.asked = True
        self._phase = Phase.CALLING
        self._timers[Timer.RINGING] = now + self._settings.ring_limit
        self._emit(events.Dialing(self._destination.target))
        self.line_call = self._line.place(
            CallRequest(
                target=self._destination.target,
                caller=self._destination.caller,
                destination=self._destination.hops,
                media=image_offer(self._capabilities) if first else audio,
                other_media=audio if first else (),
                media_address=self._environment.media_address,
                answerer=self._answerer,
                credentials=self._destination.credentials,
                headers=self._destination.headers,
                identity=self._destination.identity,
                session_timers=self._destination.session_timers,
                routes=self._destination.routes,
                other_media_address=self._destination.other_media_address,
            ),
            now,
        )

    def _sent_credentials(self) -> bool:
        return self._destination.credentials is not None
