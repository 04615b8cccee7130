"""What the FaxDev functions are told before FaxDevInitialize."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sip.bounds import check, like, setting
from sip.ipc.cores import usable_cores
from sip.line_settings import Callers
from sip.values import DialogId
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Backend, common_backend
from t38fsp.errors import SettingError
from t38fsp.events import Connected, Disconnected, Ringing, SwitchedToT38
from t38fsp.jobs import LISTEN, EngineSettings, SendJob
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

    ``listen`` is the SIP address, port 0 for any. ``route`` (``Configuration.route``, or one made here:
    ``Route(peer="gateway.example")``) says where numbers are dialled and how faxes travel, and is kept
    registered if it says so; without it only SIP URIs can be sent to. ``own_end``
    (``Configuration.engine``) stands for ``listen`` and ``callers``, and brings what else the file says
    of our end: TLS, limits, a signalling process. Device i (from 0) has the id ``device_id_prefix`` + i;
    a device carries one fax at a time. With ``accept_calls`` incoming calls are announced on devices that
    FaxLineCallback enabled, if ``callers`` admits them; one that is not taken within ``take_limit``
    seconds is refused. ``workers`` is the number of engine processes; without it that of ``own_end``
    counts, or one for each hundred devices, at most one a core. ``on_call_event`` runs on the thread that
    is blocked in FaxDevSend or FaxDevReceive.

    Raises SettingError, saying what would do.
    """

    listen: tuple[str, int] = LISTEN
    route: Route | None = None
    own_end: EngineSettings | None = None
    callers: Callers = field(default_factory=Callers)
    device_count: int = setting(1, least=1, most=100000)
    device_name_prefix: str = "T.38 fax "
    device_id_prefix: int = 0x100
    accept_calls: bool = False
    take_limit: float = like(EngineSettings, "take_limit")
    image_workers: int | None = like(EngineSettings, "image_workers")
    workers: int | None = like(EngineSettings, "workers")
    on_call_event: Callable[[CallEvent], None] | None = None

    def __post_init__(self) -> None:
        check(self, SettingError)
        if not 0 < self.device_id_prefix <= (1 << 32) - self.device_count:
            raise SettingError("device_id_prefix must be above 0, and the last device id below 2**32")
        if len(self.device_name_prefix) > 127:
            raise SettingError("device_name_prefix must have 127 characters at most")
        if self.own_end is not None and (self.listen, self.callers) != (LISTEN, Callers()):
            raise SettingError("give own_end, or listen and callers")

    @property
    def call_settings(self) -> CallSettings:
        """Those of the route, if there is one."""
        return CallSettings() if self.route is None else self.route.call

    @property
    def engine(self) -> EngineSettings:
        """Of the engine process."""
        base = self.own_end or EngineSettings(self.listen, callers=self.callers)
        routes = () if self.route is None else (self.route,)
        backend = common_backend(route.backend for route in routes) or base.backend
        return replace(
            base,
            accept_calls=self.accept_calls,
            take_limit=self.take_limit,
            limits=replace(base.limits, calls=self.device_count),
            image_workers=self.image_workers,
            workers=self.workers or base.workers or self._usual_workers(base, backend),
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
