"""The routes of an engine: their addresses and registrations."""

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
from t38fsp.engine.sip_lines import EngineLine
from t38fsp.events import RegistrationChanged, RegistrationStatus
from t38fsp.jobs import EngineRoute

_logger = get_logger(__name__)

LOOK_UP_EACH = 300.0
"""Seconds between lookups of a route's address, which may change."""
LOOK_UP_AGAIN = 30.0
"""Seconds to the next lookup after one that failed."""
FEATURES = (("+sip.fax", "t38"),)
"""Feature parameters of our Contact (RFC 6913)."""
FAULT = "an internal error; its trace is in the log"


@dataclass(slots=True)
class _Route:
    settings: EngineRoute
    user: str | None
    """User part of our Contact at the registrar."""
    hops: Sequence[Hop] = ()
    registration: int | None = None
    """A registration, shared by routes with equal settings and destination."""
    state: RegistrationState | None = None
    bound: bool = False
    """The registrar accepted it at least once, so there is a binding to remove."""
    service_route: tuple[str, ...] = ()


class EngineRoutes:
    """``find`` looks up the ``via`` of a route; it raises SipError. ``on_found`` gets all addresses that are
    known, whenever they may have changed."""

    def __init__(
        self,
        routes: Sequence[EngineRoute],
        line: EngineLine,
        find: Callable[[str], Awaitable[Sequence[Hop]]],
        on_change: Callable[[RegistrationChanged], None],
        on_found: Callable[[frozenset[str]], None],
    ) -> None:
        self._routes = [_Route(settings, _contact_user(settings)) for settings in routes]
        self._line = line
        self._find = find
        self._on_change = on_change
        self._on_found = on_found
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self) -> None:
        """Look the routes up, register, and keep both up to date."""
        for route in self._routes:
            self._begin(route)

    def _begin(self, route: _Route, pause: float = 0.0) -> None:
        task = asyncio.ensure_future(self._keep(route, pause))
        self._tasks[route.settings.name] = task
        task.add_done_callback(lambda task: self._ended(route, task))

    def end(self) -> None:
        """Stop lookups. The line itself ends the registrations when it closes."""
        for task in self._tasks.values():
            task.cancel()

    # --- calls ----------------------------------------------------------------------------------------------

    def service_route(self, name: str | None) -> tuple[str, ...]:
        """Route values for calls of ours through this route (RFC 3608); without strict routers."""
        route = next((route for route in self._routes if route.settings.name == name), None)
        return () if route is None else route.service_route

    def of(self, incoming: Incoming) -> str | None:
        """The route of an incoming call, identified by our Contact in the Request-URI, and by its source
        address."""
        user = _user(incoming.request_uri)
        at_contact = [route for route in self._routes if route.user is not None and route.user == user]
        from_there = [
            route for route in self._routes if any(hop.host == incoming.source.host for hop in route.hops)
        ]
        # A Contact names the route best. Trunks may call from other addresses than they register at, and
        # peers without registration are known by their address only.
        both = [route for route in at_contact if route in from_there]
        found = next(iter(both or at_contact or from_there), None)
        return None if found is None else found.settings.name

    def credentials(self, name: str | None, source: Hop) -> Credentials | None:
        """Credentials for challenges within an incoming call of this route. None for other sources: one that
        knows our Contact must not get a digest response to try passwords against."""
        route = next((route for route in self._routes if route.settings.name == name), None)
        if route is None or all(hop.host != source.host for hop in route.hops):
            return None
        return route.settings.credentials

    # --- registrations --------------------------------------------------------------------------------------

    def changed(self, state: RegistrationState) -> None:
        """The line reports a state of a registration."""
        for route in self._routes:
            if route.registration == state.registration:
                self._tell(route, state)

    def _tell(self, route: _Route, state: RegistrationState) -> None:
        now = asyncio.get_running_loop().time()
        name = route.settings.name
        route.state = state
        match state:
            case Registered(until=until, service_route=service_route):
                route.bound = True
                # A strict router (RFC 2543) would have to be put into the Request-URI; calls then go
                # without the route.
                route.service_route = service_route if all(map(_is_loose, service_route)) else ()
                _logger.info("route %s is registered for %.0f s", name, until - now)
                event = RegistrationChanged(name, RegistrationStatus.REGISTERED, "", until - now)
            case Registering():
                event = RegistrationChanged(name, RegistrationStatus.REGISTERING)
            case RegistrationFailed(reason=reason, retry_at=retry_at):
                event = RegistrationChanged(name, RegistrationStatus.FAILED, reason, retry_at - now)
            case _ if route.bound:
                route.bound = False
                event = RegistrationChanged(name, RegistrationStatus.UNREGISTERED)
            case _:
                return
        self._on_change(event)

    async def _keep(self, route: _Route, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            try:
                route.hops = await self._find(route.settings.via)
                self._on_found(frozenset(hop.host for each in self._routes for hop in each.hops))
                self._register(route)
                pause = LOOK_UP_EACH
            except UnsupportedError as error:
                # A request that is invalid stays invalid: never try again.
                self._not_kept(route, str(error), inf)
                route.settings = replace(route.settings, registration=None)
                pause = LOOK_UP_EACH
            except SipError as error:
                self._not_kept(route, str(error), LOOK_UP_AGAIN)
                pause = LOOK_UP_AGAIN

    def _ended(self, route: _Route, task: asyncio.Task[None]) -> None:
        """Log an internal error: it must not end the route for good."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("route %s failed with an internal error", route.settings.name, exc_info=error)
            self._not_kept(route, FAULT, LOOK_UP_AGAIN)
            self._begin(route, LOOK_UP_AGAIN)

    def _not_kept(self, route: _Route, reason: str, seconds: float) -> None:
        """``seconds`` is the time to the next attempt; infinite if there is none."""
        if route.settings.registration is not None and route.registration is None:
            self._on_change(
                RegistrationChanged(route.settings.name, RegistrationStatus.FAILED, reason, seconds)
            )
        else:
            _logger.warning("route %s: %s", route.settings.name, reason)

    def _register(self, route: _Route) -> None:
        wanted = route.settings.registration
        if wanted is None:
            return
        if route.registration is not None:
            # The address may have changed since; the binding stays.
            self._line.redirect(route.registration, route.hops)
            return
        twin = self._twin(route)
        if twin is not None:
            # Two registrations of one Contact would each replace the other's binding (RFC 3261 10.2).
            route.registration = twin.registration
            if twin.state is not None:
                self._tell(route, twin.state)
            return
        route.registration = self._line.register(
            RegistrationRequest(wanted, route.hops, FEATURES),
            asyncio.get_running_loop().time(),
        )

    def _twin(self, route: _Route) -> _Route | None:
        """The route that already has the registration of ``line``, or None."""
        return next(
            (
                other
                for other in self._routes
                if other.registration is not None
                and other.settings.via == route.settings.via
                and other.settings.registration == route.settings.registration
            ),
            None,
        )


def _is_loose(route: str) -> bool:
    try:
        return "lr" in parse_uri(NameAddress.parse(route).uri).params
    except ParseError:
        return False


def _contact_user(settings: EngineRoute) -> str | None:
    return None if settings.registration is None else _user(settings.registration.identity)


def _user(uri: str) -> str | None:
    try:
        return parse_uri(uri).user
    except ParseError:
        return None
