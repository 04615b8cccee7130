"""All settings of the service, as its parts use them; ``t38fsp.service.settings_file`` reads them."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import field
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from sip.bounds import check, setting
from sip.frozen import dataclass
from t38fsp.errors import SettingError
from t38fsp.service.delivery_settings import DeliverySettings
from t38fsp.service.policy.memory import MemorySettings
from t38fsp.service.policy.permits import Permits
from t38fsp.service.policy.retry import RetryPolicy
from t38fsp.service.policy.routing import FailOver, RoutingRule
from t38fsp.service.policy.windows import ALWAYS, Window
from t38fsp.service.queue_settings import QueueSettings
from t38fsp.service.web_settings import SOCKET, FetchSettings, WebSettings

_DATABASE = "service.db"
_LOCALTIME = Path("/etc/localtime")
_WINDOW_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def _check_database(url: object) -> None:
    if not isinstance(url, str) or (url and not re.match(r"(sqlite:///|postgresql://)[^\s]+", url)):
        # Without the URL, which may have a password.
        raise ValueError(
            "it is not the URL of a database; write sqlite:///PATH or postgresql://USER@HOST/NAME"
        )


def _check_zone(name: object) -> None:
    if not isinstance(name, str):
        raise ValueError(f"{name!r} is not a string")
    if name:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"{name[:60]!r} is not a time zone; write a name such as Europe/Berlin or UTC"
            ) from error


def _check_host(name: object) -> None:
    if name != "" and (not isinstance(name, str) or not _HOST_NAME.fullmatch(name)):
        raise ValueError(
            f"{str(name)[:60]!r} is not the name of a host; "
            "use up to 100 letters, digits, hyphens, dots and underscores"
        )


@dataclass(frozen=True, slots=True)
class PlaceSettings:
    """Where the service keeps what it has, and who it is. Raises SettingError."""

    database: str = setting("", check=_check_database, table="")
    """``"postgresql://USER@HOST/NAME"`` for several hosts, or ``"sqlite:///PATH"``; a password belongs in
    ``~/.pgpass``. Default: SQLite in ``state``."""
    state: str = setting("", check=str, table="")
    """Folder of what this host keeps: the database, faxes that are being received, prepared pages. Default:
    that of the systemd unit (``StateDirectory``), or ``~/.local/state/t38fsp``."""
    host: str = setting("", check=_check_host, table="")
    """Name of this host, unlike that of any other service with the same database. Default: that of the
    machine."""
    time_zone: str = setting("", check=_check_zone, table="")
    """Of the site, for windows of hours: ``"Europe/Berlin"``. Default: that of the machine."""

    def __post_init__(self) -> None:
        check(self, SettingError)

    @property
    def folder(self) -> Path:
        """The folder ``state``."""
        return (
            Path(self.state) if self.state else _folder("STATE_DIRECTORY", "XDG_STATE_HOME", "~/.local/state")
        )

    @property
    def url(self) -> str:
        """The database."""
        return self.database or f"sqlite:///{self.folder / _DATABASE}"

    @property
    def host_name(self) -> str:
        """The name of this host."""
        return self.host or re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:100] or "localhost"

    @property
    def zone(self) -> tzinfo:
        return ZoneInfo(self.time_zone) if self.time_zone else _zone_of_machine()


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """All settings of the service. Raises SettingError for parts that do not fit each other."""

    place: PlaceSettings = PlaceSettings()
    queue: QueueSettings = QueueSettings()
    memory: MemorySettings = MemorySettings()
    retry: RetryPolicy = RetryPolicy()
    failover: FailOver = FailOver()
    windows: Mapping[str, Window] = field(default_factory=dict)
    routing: tuple[RoutingRule, ...] = ()
    permits: Mapping[str, Permits] = field(default_factory=dict)
    """By the name of a route; one without any may call all but emergency and premium-rate numbers."""
    web: WebSettings = WebSettings()
    fetch: FetchSettings = FetchSettings()
    delivery: DeliverySettings = DeliverySettings()

    def __post_init__(self) -> None:
        for name in self.windows:
            if not _WINDOW_NAME.fullmatch(name):
                raise SettingError(
                    f"windows: the name {name[:60]!r} is invalid; "
                    "use a letter and up to 63 letters, digits, hyphens and underscores"
                )

    def window(self, text: str) -> Window:
        """The window of a name or of hours; any time if it is empty. Raises SettingError."""
        if not text:
            return ALWAYS
        if _WINDOW_NAME.fullmatch(text):
            if text not in self.windows:
                known = ", ".join(self.windows) or "none"
                raise SettingError(f"there is no window {text!r}, only: {known}; or write hours, 08:00-18:00")
            return self.windows[text]
        return Window.parse(text)

    def check_routes(self, known: tuple[str, ...]) -> None:
        """Raises SettingError for a route that is named here and is not among the ``known`` ones."""
        named = [("routes", name) for name in self.permits]
        named += [("routing", name) for rule in self.routing for name in rule.routes]
        for table, name in named:
            if name not in known:
                raise SettingError(
                    f"{table}: there is no route {name[:60]!r}, only: {', '.join(known) or 'none'}; "
                    "correct the name, or add the route"
                )

    @property
    def socket(self) -> Path:
        """The Unix socket, as it is set or by default."""
        return Path(self.web.socket) if self.web.socket else default_socket(self.place.folder)


def default_socket(state: Path) -> Path:
    """Where the socket of a service is that has its state in this folder."""
    for variable, below in (("RUNTIME_DIRECTORY", ""), ("XDG_RUNTIME_DIR", "t38fsp")):
        if folder := os.environ.get(variable, "").partition(":")[0]:
            return Path(folder, below, SOCKET)
    return state / SOCKET


def _folder(of_unit: str, of_user: str, otherwise: str) -> Path:
    # systemd separates several directories of a unit by colons.
    if given := os.environ.get(of_unit, "").partition(":")[0]:
        return Path(given)
    return Path(os.path.expanduser(os.environ.get(of_user) or otherwise)) / "t38fsp"


def _zone_of_machine() -> tzinfo:
    """With its changes of the clock, which ``datetime.astimezone`` does not know in advance."""
    name = os.environ.get("TZ", "").removeprefix(":")
    try:
        if name:
            return ZoneInfo(name)
        # The link names the zone, and messages can show it.
        _, found, key = str(_LOCALTIME.resolve()).partition("zoneinfo/")
        if found:
            return ZoneInfo(key)
        with _LOCALTIME.open("rb") as file:
            return ZoneInfo.from_file(file, key="localtime")
    except (OSError, ValueError, KeyError):
        return ZoneInfo("UTC")
