"""The trunks of an engine: their addresses and registrations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from math import inf

from sip.line import Incoming
from sip.logs import get_logger
from sip.syntax.errors import ParseError, SipError, UnsupportedError
from sip.syntax.headers import NameAddress
from sip.syntax.uri import parse_uri
from sip.ua.registration_messages import (
    Registered,
    Registering,
    RegistrationFailed,
    RegistrationRequest,
    RegistrationState,
)
from sip.values import Credentials, Hop
from t38fsp.engine.lines import EngineLine
from t38fsp.events import RegistrationChanged, RegistrationStatus
from t38fsp.jobs import Trunk

_logger = get_logger(__name__)

LOOK_UP_EACH = 300.0
"""Seconds between lookups of a trunk's address, which may change."""
LOOK_UP_AGAIN = 30.0
"""Seconds to the next lookup after one that failed."""
FEATURES = (("+sip.fax", "t38"),)
"""Feature parameters of our Contact (RFC 6913)."""
FAULT = "an internal error; its trace is in the log"


@dataclass(slots=True)
class _Line:
    trunk: Trunk
    user: str | None
    """User part of our Contact at the registrar."""
    hops: Sequence[Hop] = ()
    registration: int | None = None
    """A registration, shared by trunks with equal settings and destination."""
    state: RegistrationState | None = None
    bound: bool = False
    """The registrar accepted it at least once, so there is a binding to remove."""
    service_route: tuple[str, ...] = ()


class Trunks:
    """``find`` looks up the ``via`` of a trunk; it raises SipError. ``on_found`` gets all addresses that are
    known, whenever they may have changed."""

    def __init__(
        self,
        trunks: Sequence[Trunk],
        line: EngineLine,
        find: Callable[[str], Awaitable[Sequence[Hop]]],
        on_change: Callable[[RegistrationChanged], None],
        on_found: Callable[[frozenset[str]], None],
    ) -> None:
        self._lines = [_Line(trunk, _contact_user(trunk)) for trunk in trunks]
        self._line = line
        self._find = find
        self._on_change = on_change
        self._on_found = on_found
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self) -> None:
        """Look the trunks up, register, and keep both up to date."""
        for line in self._lines:
            self._begin(line)

    def _begin(self, line: _Line, pause: float = 0.0) -> None:
        task = asyncio.ensure_future(self._keep(line, pause))
        self._tasks[line.trunk.name] = task
        task.add_done_callback(lambda task: self._ended(line, task))

    def end(self) -> None:
        """Stop lookups. The line itself ends the registrations when it closes."""
        for task in self._tasks.values():
            task.cancel()

    # --- calls ----------------------------------------------------------------------------------------------

    def service_route(self, name: str | None) -> tuple[str, ...]:
        """Route values for calls of ours through this trunk (RFC 3608); without strict routers."""
        line = next((line for line in self._lines if line.trunk.name == name), None)
        return () if line is None else line.service_route

    def of(self, incoming: Incoming) -> str | None:
        """The trunk of an incoming call, identified by our Contact in the Request-URI, and by its source
        address."""
        user = _user(incoming.request_uri)
        at_contact = [line for line in self._lines if line.user is not None and line.user == user]
        from_there = [
            line for line in self._lines if any(hop.host == incoming.source.host for hop in line.hops)
        ]
        both = [line for line in at_contact if line in from_there]
        found = next(iter(both or at_contact or from_there), None)
        return None if found is None else found.trunk.name

    def credentials(self, name: str | None, source: Hop) -> Credentials | None:
        """Credentials for challenges within an incoming call of this trunk. None for other sources: one that
        knows our Contact must not get a digest response to try passwords against."""
        line = next((line for line in self._lines if line.trunk.name == name), None)
        if line is None or all(hop.host != source.host for hop in line.hops):
            return None
        return line.trunk.credentials

    # --- registrations --------------------------------------------------------------------------------------

    def changed(self, state: RegistrationState) -> None:
        """The line reports a state of a registration."""
        for line in self._lines:
            if line.registration == state.registration:
                self._tell(line, state)

    def _tell(self, line: _Line, state: RegistrationState) -> None:
        now = asyncio.get_running_loop().time()
        name = line.trunk.name
        line.state = state
        match state:
            case Registered(until=until, service_route=service_route):
                line.bound = True
                line.service_route = service_route if all(map(_is_loose, service_route)) else ()
                _logger.info("route %s is registered for %.0f s", name, until - now)
                event = RegistrationChanged(name, RegistrationStatus.REGISTERED, "", until - now)
            case Registering():
                event = RegistrationChanged(name, RegistrationStatus.REGISTERING)
            case RegistrationFailed(reason=reason, retry_at=retry_at):
                event = RegistrationChanged(name, RegistrationStatus.FAILED, reason, retry_at - now)
            case _ if line.bound:
                line.bound = False
                event = RegistrationChanged(name, RegistrationStatus.UNREGISTERED)
            case _:
                return
        self._on_change(event)

    async def _keep(self, line: _Line, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            try:
                line.hops = await self._find(line.trunk.via)
                self._on_found(frozenset(hop.host for each in self._lines for hop in each.hops))
                self._register(line)
                pause = LOOK_UP_EACH
            except UnsupportedError as error:
                # A request that is invalid stays invalid: never try again.
                self._not_kept(line, str(error), inf)
                line.trunk = replace(line.trunk, registration=None)
                pause = LOOK_UP_EACH
            except SipError as error:
                self._not_kept(line, str(error), LOOK_UP_AGAIN)
                pause = LOOK_UP_AGAIN

    def _ended(self, line: _Line, task: asyncio.Task[None]) -> None:
        """Log an internal error: it must not end the trunk for good."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("route %s failed with an internal error", line.trunk.name, exc_info=error)
            self._not_kept(line, FAULT, LOOK_UP_AGAIN)
            self._begin(line, LOOK_UP_AGAIN)

    def _not_kept(self, line: _Line, reason: str, seconds: float) -> None:
        """``seconds`` is the time to the next attempt; infinite if there is none."""
        if line.trunk.registration is not None and line.registration is None:
            self._on_change(RegistrationChanged(line.trunk.name, RegistrationStatus.FAILED, reason, seconds))
        else:
            _logger.warning("route %s: %s", line.trunk.name, reason)

    def _register(self, line: _Line) -> None:
        wanted = line.trunk.registration
        if wanted is None:
            return
        if line.registration is not None:
            self._line.redirect(line.registration, line.hops)
            return
        twin = self._twin(line)
        if twin is not None:
            # Two registrations of one Contact would each replace the other's binding (RFC 3261 10.2).
            line.registration = twin.registration
            if twin.state is not None:
                self._tell(line, twin.state)
            return
        line.registration = self._line.register(
            RegistrationRequest(wanted, line.hops, FEATURES),
            asyncio.get_running_loop().time(),
        )

    def _twin(self, line: _Line) -> _Line | None:
        """The trunk that already has the registration of ``line``, or None."""
        return next(
            (
                other
                for other in self._lines
                if other.registration is not None
                and other.trunk.via == line.trunk.via
                and other.trunk.registration == line.trunk.registration
            ),
            None,
        )


def _is_loose(route: str) -> bool:
    try:
        return "lr" in parse_uri(NameAddress.parse(route).uri).params
    except ParseError:
        return False


def _contact_user(trunk: Trunk) -> str | None:
    return None if trunk.registration is None else _user(trunk.registration.identity)


def _user(uri: str) -> str | None:
    try:
        return parse_uri(uri).user
    except ParseError:
        return None
