"""What the FaxDev functions are told before FaxDevInitialize."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sip.bounds import check, setting
from sip.ipc.cores import usable_cores
from sip.values import DialogId
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Backend, common_backend
from t38fsp.errors import SettingError
from t38fsp.events import Connected, Disconnected, Ringing, SwitchedToT38
from t38fsp.jobs import EngineSettings, SendJob
from t38fsp.settings.address import target_uri

if TYPE_CHECKING:
    from t38fsp.settings.route import Route


_DEVICES_EACH = 100
"""An engine process bears more; fewer are not worth a second one."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Ours: what became of the call below a fax. ``CallHandle`` is None until the call is established."""

    FaxHandle: int
    CallHandle: DialogId | None
    event: Ringing | Connected | SwitchedToT38 | Disconnected


@dataclass(frozen=True, slots=True)
class FaxDevSettings:
    """How the provider is reached and what it presents.

    ``route`` (``Configuration.route``, or one made here:
    ``Route(peer="gateway.example")``) says where numbers are dialled and how faxes travel, and is kept
    registered if it says so; without it only SIP URIs can be sent to. ``own_end``
    (``Configuration.engine``, or one made here: ``EngineSettings(listen=("0.0.0.0", 0))``) says where SIP is
    listened for, who may call, and what else there is to say of our end. With its ``accept_calls`` incoming
    calls are announced on devices that FaxLineCallback enabled; without its ``workers`` there is an engine
    process for each hundred devices, at most one a core; its ``trunks`` and ``limits.calls`` do not count, as
    ``route`` and ``device_count`` say them. Device i (from 0) has the id ``device_id_prefix`` + i; a device
    carries one fax at a time. ``on_call_event`` runs on the thread that is blocked in FaxDevSend or
    FaxDevReceive.

    Raises SettingError, saying what would do.
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
            raise SettingError("device_id_prefix must be above 0, and the last device id below 2**32")
        if len(self.device_name_prefix) > 127:
            raise SettingError("device_name_prefix must have 127 characters at most")

    @property
    def call_settings(self) -> CallSettings:
        """Those of the route, if there is one."""
        return CallSettings() if self.route is None else self.route.call

    @property
    def engine(self) -> EngineSettings:
        """Of the engine process."""
        base = self.own_end
        routes = () if self.route is None else (self.route,)
        backend = common_backend(route.backend for route in routes) or base.backend
        return replace(
            base,
            limits=replace(base.limits, calls=self.device_count),
            workers=base.workers or self._usual_workers(base, backend),
            trunks=tuple(route.trunk for route in routes if route.trunk is not None),
            backend=backend,
        )

    def _usual_workers(self, base: EngineSettings, backend: Backend) -> int:
        if backend is not Backend.OWN or base.signalling is not None or not hasattr(socket, "AF_UNIX"):
            return 1
        return min(usable_cores(), -(-self.device_count // _DEVICES_EACH))

    def send_job(self, document: str, to: str) -> SendJob:
        """Raises AddressError."""
        if self.route is not None:
            return self.route.send_job(document, to)
        return SendJob(document, target_uri(to, None))
