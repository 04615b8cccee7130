"""``/metrics`` for Prometheus: calls and pages of this host as they end, and the queue at the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from sip.logs import contained, get_logger
from t38fsp.service import jobs, outbox, overview, received_faxes
from t38fsp.service.database import DatabaseError
from t38fsp.service.errors import NotFoundError
from t38fsp.service.hosts import HostInfo
from t38fsp.service.overview import RouteInfo
from t38fsp.service.service import FaxService
from t38fsp.service.values import Event, FaxState
from t38fsp.service.web.feed import Feed

_logger = get_logger(__name__)

_PAGE_SECONDS = (2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300)
_CALL_SECONDS = (10, 30, 60, 120, 180, 300, 600, 1200, 1800, 3600)
_AGAIN = 5.0
_FATES = {"t38": ("received", "recovered", "lost"), "audio": ("received", "filled", "lost")}
"""What became of the packets: the counters that a result has for each medium."""

Facts = Mapping[str, Any]


class Metrics:
    """Counters of this process, which begin at 0 with it, and gauges that are read when asked for."""

    def __init__(self) -> None:
        # Not the one of the process, to which other libraries may add theirs.
        self._registry = CollectorRegistry()
        self._gauges: list[Metric] = []
        self._lock = asyncio.Lock()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"t38fsp_{name}", text, labels, registry=self._registry)

        self._attempts = counter("attempts", "Attempts that are over.", "route", "outcome")
        self._calls = counter(
            "calls", "Calls in which a fax was sent or received, by what carried it.", "direction", "medium"
        )
        self._pages = counter("pages", "Pages confirmed in calls that are over.", "direction", "medium")
        self._received = counter("received_faxes", "Faxes that came in.", "complete")
        self._packets = counter("t38_packets", "UDPTL packets from far ends, by what became of them.", "fate")
        self._audio = counter("audio_packets", "RTP packets from far ends, by what became of them.", "fate")
        self._page_seconds = Histogram(
            "t38fsp_page_seconds",
            "Time of a page, from carrier to response.",
            ("direction",),
            buckets=_PAGE_SECONDS,
            registry=self._registry,
        )
        self._call_seconds = Histogram(
            "t38fsp_call_seconds",
            "Time of a call.",
            ("direction",),
            buckets=_CALL_SECONDS,
            registry=self._registry,
        )
        # The library asks it for values when it makes the page.
        self._registry.register(self)

    async def run(self, service: FaxService, feed: Feed) -> None:
        """Count what ends on this host, from now on."""
        while True:
            try:
                async for batch in feed.batches(None):
                    for event in batch:
                        with contained(_logger, "counting an event failed"):
                            await self._count(service, event)
                return
            # Events of the meantime are not counted: it begins again with the latest.
            except DatabaseError:
                await asyncio.sleep(_AGAIN)

    async def _count(self, service: FaxService, event: Event) -> None:
        try:
            # All hosts see all events. Each counts its own, or a sum over hosts would count calls repeatedly.
            if event.kind == "attempt.ended" and event.body.get("host") == service.host:
                id = str(event.body.get("attempt", ""))
                attempt = await service.database.read(lambda connection: jobs.read_attempt(connection, id))
                outcome = (attempt.result or {}).get("outcome") or event.body.get("outcome")
                self._attempts.labels(attempt.route, str(outcome or "NONE")).inc()
                self._call("out", attempt.result or {})
            elif event.kind in ("received.stored", "received.failed"):
                fax = await service.database.read(
                    lambda connection: received_faxes.read(connection, event.subject)
                )
                if fax.host == service.host:
                    self._received.labels("no" if fax.partial else "yes").inc()
                    self._call("in", fax.result)
        except NotFoundError:
            # It was deleted since.
            return

    def _call(self, direction: str, result: Facts) -> None:
        """Count a result; of its types nothing is certain, as it may be of another release."""
        medium = str(result.get("medium") or "none").lower()
        self._calls.labels(direction, medium).inc()
        self._call_seconds.labels(direction).observe(_number(result, "seconds"))
        pages = result.get("pages")
        for page in pages if isinstance(pages, list) else []:
            if isinstance(page, dict) and page.get("confirmed") and _number(page, "seconds"):
                self._pages.labels(direction, medium).inc()
                self._page_seconds.labels(direction).observe(_number(page, "seconds"))
        counters = result.get("counters")
        if isinstance(counters, dict) and (named := _FATES.get(medium)) is not None:
            fates = self._packets if medium == "t38" else self._audio
            for fate in named:
                fates.labels(fate).inc(_number(counters, fate))

    async def page(self, service: FaxService) -> tuple[bytes, str]:
        """The text of all metrics, and its media type. Raises DatabaseError."""
        routes, hosts = await service.routes(), await service.hosts()
        now = time.time()
        depth, deliveries = await service.database.read(
            lambda connection: (overview.depth(connection, now), outbox.counts(connection))
        )
        async with self._lock:
            self._gauges = [
                *_routes(routes),
                *_hosts(hosts),
                *_queue(depth, now),
                _gauge("deliveries", "Deliveries.", ("kind", "state"), deliveries),
                _gauge("build_info", "Release.", ("version",), {(version("t38fsp"),): 1}),
            ]
            return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterable[Metric]:
        """The gauges of the page that is being made, for the library."""
        return self._gauges


def _routes(routes: list[RouteInfo]) -> Iterator[Metric]:
    def gauge(name: str, text: str, values: Iterable[float]) -> Metric:
        names = [(route.name,) for route in routes]
        return _gauge(name, text, ("route",), dict(zip(names, values, strict=True)))

    yield gauge("channels", "Channels of a route for sending.", (each.channels for each in routes))
    yield gauge("channels_busy", "Calls that send, over all hosts.", (each.busy for each in routes))
    yield gauge("route_waiting", "Faxes that may go now by a route.", (each.waiting for each in routes))
    yield gauge("route_healthy", "1 if a route takes calls.", (each.healthy for each in routes))


def _hosts(hosts: list[HostInfo]) -> Iterator[Metric]:
    states: dict[tuple[str, ...], float] = {}
    for each in hosts:
        states[(each.state,)] = states.get((each.state,), 0) + 1
    yield _gauge("hosts", "Hosts by state.", ("state",), states)


def _queue(depth: overview.Depth, now: float) -> Iterator[Metric]:
    states = {(state.value,): depth.by_state.get(state, 0) for state in FaxState if not state.final}
    yield _gauge("queue_faxes", "Faxes that are not over, over all hosts.", ("state",), states)
    age = 0.0 if depth.oldest is None else max(0.0, now - depth.oldest)
    yield _gauge("queue_oldest_seconds", "Age of the oldest fax whose time has come.", (), {(): age})


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"t38fsp_{name}", text, labels=labels)
    for each, value in values.items():
        family.add_metric(each, float(value))
    return family


def _number(facts: Facts, name: str) -> float:
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0
