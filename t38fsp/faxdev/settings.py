"""Settings of the FaxDev functions, given before FaxDevInitialize."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sip.bounds import check, setting
from sip.ipc.system import usable_cores
from sip.values import DialogId
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Backend, common_backend
from t38fsp.errors import SettingError
from t38fsp.events import BeganInAudio, Connected, Disconnected, Ringing, SwitchedToT38
from t38fsp.jobs import EngineSettings, SendJob
from t38fsp.settings.address import target_uri

if TYPE_CHECKING:
    from t38fsp.settings.route import Route


_DEVICES_EACH = 100
"""Devices per engine process. A process can serve more; a second one is not worth its memory for fewer."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Ours: an event of the call under a fax. ``CallHandle`` is None until the call is established."""

    FaxHandle: int
    CallHandle: DialogId | None
    event: Ringing | Connected | SwitchedToT38 | BeganInAudio | Disconnected


@dataclass(frozen=True, slots=True)
class FaxDevSettings:
    """Addresses, route and devices of a provider.

    ``route`` (``Configuration.route``, or for example ``Route(peer="gateway.example")``) sets where numbers
    are dialled and how faxes are carried, and is kept registered if it says so; without it only SIP URIs can
    be sent to. ``own_end`` (``Configuration.engine``, or one made with ``EngineSettings``)
    has the SIP address, the admitted callers and the other settings of our end. With its ``accept_calls``
    incoming calls are announced on devices that FaxLineCallback enabled. Without its ``workers`` there is an
    engine process for each hundred devices, at most one per core. Its ``routes`` and ``limits.calls`` are
    ignored in favour of ``route`` and ``device_count``. Device i (from 0) has the id ``device_id_prefix`` + i
    and carries one fax at a time. ``on_call_event`` is called on the thread that is blocked in FaxDevSend or
    FaxDevReceive.

    Raises SettingError for a value out of range or conflicting settings.
    """

    route: Route | None = None
    own_end: EngineSettings = field(default_factory=EngineSettings)
    device_count: int = setting(1, least=1, most=100000)
    device_name_prefix: str = "T.38 fax "
    device_id_prefix: int = 0x100
    on_call_event: Callable[[CallEvent], None] | None = None

    def __post_init__(self) -> None:
        check(self, SettingError)
        if not 0 < self.device_id_prefix <= (1 << 32) - self.device_count:
            raise SettingError(
                "device_id_prefix is out of range; it must be above 0, and the last device id below 2**32"
            )
        if len(self.device_name_prefix) > 127:
            raise SettingError("device_name_prefix is too long; use at most 127 characters")

    @property
    def call_settings(self) -> CallSettings:
        """The call settings of the route, or the defaults without one."""
        return CallSettings() if self.route is None else self.route.call

    @property
    def engine(self) -> EngineSettings:
        """The settings of the engine process."""
        base = self.own_end
        routes = () if self.route is None else (self.route,)
        backend = common_backend(route.backend for route in routes) or base.backend
        return replace(
            base,
            # A call without a device could only ring in vain.
            limits=replace(base.limits, calls=self.device_count),
            workers=base.workers or self._usual_workers(base, backend),
            routes=tuple(route.engine_route for route in routes if route.engine_route is not None),
            backend=backend,
        )

    def _usual_workers(self, base: EngineSettings, backend: Backend) -> int:
        if backend is not Backend.OWN or base.signalling is not None or not hasattr(socket, "AF_UNIX"):
            return 1
        return min(usable_cores(), -(-self.device_count // _DEVICES_EACH))

    def send_job(self, document: str, to: str) -> SendJob:
        """A job that sends ``document``. Raises AddressError."""
        if self.route is not None:
            return self.route.send_job((document,), to)
        return SendJob((document,), target_uri(to, None))
