"""All registrations of a user agent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from sip.endpoint import Endpoint
from sip.line import Credentials, Hop
from sip.registrar import RegistrationRequest, RegistrationState, Unregistered
from sip.registration import Registration


class Registrations:
    """They are known by number."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._numbers = count(1)
        self._known: dict[int, Registration] = {}
        self._events: list[RegistrationState] = []

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, request: RegistrationRequest, now: float) -> int:
        """Register, and keep registered until :meth:`end`; returns the number of the registration.

        Raises ParseError for a URI and UnsendableError for anything else that cannot be sent.
        """
        number = next(self._numbers)
        registration = Registration(
            self._endpoint, number, request, self._emit, lambda: self._known.__delitem__(number)
        )
        registration.begin(now)
        self._known[number] = registration
        return number

    def _emit(self, state: RegistrationState) -> None:
        self._events.append(state)

    def redirect(self, number: int, hops: Sequence[Hop]) -> None:
        """The registrar was looked up anew: the next REGISTER takes these hops."""
        known = self._known.get(number)
        if known is not None:
            known.redirect(hops)

    def end(self, number: int, now: float) -> None:
        """Remove the binding; one that is unknown or over is left alone."""
        known = self._known.get(number)
        if known is not None:
            known.end(now)

    def disconnected(self, hop: Hop, now: float) -> None:
        """A connection is gone."""
        for registration in self._known.values():
            registration.disconnected(hop, now)

    def flows(self) -> set[Hop]:
        """Hops that calls to us may come by."""
        return {each.flow for each in self._known.values() if each.flow is not None}

    def credentials_for(self, source: Hop) -> Credentials | None:
        """Those of the first account that is registered there; a stranger shall get no answer to guess at."""
        found = (each.credentials_for(source) for each in self._known.values())
        return next((each for each in found if each is not None), None)

    def end_all(self, now: float) -> None:
        for number in list(self._known):
            self.end(number, now)

    def state(self, number: int) -> RegistrationState:
        known = self._known.get(number)
        return Unregistered(number) if known is None else known.state

    def take_events(self) -> list[RegistrationState]:
        """The changes of state since the last call."""
        taken, self._events = self._events, []
        return taken
