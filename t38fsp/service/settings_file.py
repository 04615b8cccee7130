"""``[service]`` of the configuration file, and its tables; the keys are those of the settings' dataclasses.

The environment comes before the file, ``T38FSP_SERVICE__WEB__LISTEN`` before ``listen`` of ``[service.web]``,
and what a command was given before both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from t38fsp.errors import SettingError
from t38fsp.service.delivery_settings import DeliverySettings, MailServer, ReceivingSettings, RetrySettings
from t38fsp.service.policy.memory import MemorySettings
from t38fsp.service.policy.permits import Permits
from t38fsp.service.policy.retry import RetryKind, RetryPolicy, RetryRule
from t38fsp.service.policy.routing import FailOver, RoutingRule
from t38fsp.service.policy.rules import Rule
from t38fsp.service.policy.windows import Window
from t38fsp.service.queue_settings import QueueSettings
from t38fsp.service.settings import PlaceSettings, ServiceSettings
from t38fsp.service.targets import Target
from t38fsp.service.web_settings import FetchSettings, WebSettings
from t38fsp.settings.errors import ConfigurationError, sentences
from t38fsp.settings.file import Configuration
from t38fsp.settings.keys import made, with_keys
from t38fsp.settings.passwords import check_mode, read_passwords, resolve, without_sources
from t38fsp.settings.sources import variable_of

_MOST_SECRETS = 8
_MOST_ROWS = 1000
"""Rules, routes, targets and windows, each."""
_PATHS = {
    (): ("state",),
    ("web",): ("socket", "certificate", "key"),
    ("receiving",): ("spool",),
    ("mail",): ("authorities",),
    ("targets", "*"): ("folder",),
}
"""Keys that are paths, by their table; ``*`` is any name."""
_SECRETS = {
    ("web",): ("key_password", 1),
    ("mail",): ("password", 1),
    ("deliveries",): ("webhook_secrets", _MOST_SECRETS),
    ("targets", "*"): ("secrets", _MOST_SECRETS),
}
"""Keys that are secrets, and how many there may be."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        _ = self.settings  # checks settings that depend on each other
        return self

    @property
    def settings(self) -> Any:
        """The same as a dataclass."""
        raise NotImplementedError


def _kind(kind: RetryKind) -> BeforeValidator:
    """What a table leaves out is that of its kind, not of all kinds."""
    defaults = asdict(RetryPolicy().rule(kind))
    return BeforeValidator(lambda value: {**defaults, **value} if isinstance(value, Mapping) else value)


def _left_out() -> Any:
    # Validated, since it is the validator that fills in the defaults of the kind.
    return Field(default_factory=dict, validate_default=True)


def _listed(*keys: str) -> Callable[[object], object]:
    """A single text may stand for a list of one."""

    def listed(table: object) -> object:
        if not isinstance(table, Mapping):
            return table
        return {
            key: (value,) if key in keys and isinstance(value, str) else value for key, value in table.items()
        }

    return listed


@with_keys("rule", RetryRule)
class RetryRuleTable(_Table):
    """``[service.retry.KIND]``."""

    @property
    def settings(self) -> RetryRule:
        return made(RetryRule, {"rule": self})


@with_keys("retry", RetryPolicy)
class RetryTable(_Table):
    """``[service.retry]``."""

    busy: Annotated[RetryRuleTable, _kind(RetryKind.BUSY)] = _left_out()
    no_answer: Annotated[RetryRuleTable, _kind(RetryKind.NO_ANSWER)] = _left_out()
    line: Annotated[RetryRuleTable, _kind(RetryKind.LINE)] = _left_out()
    partial: Annotated[RetryRuleTable, _kind(RetryKind.PARTIAL)] = _left_out()
    no_t38: Annotated[RetryRuleTable, _kind(RetryKind.NO_T38)] = _left_out()
    other: Annotated[RetryRuleTable, _kind(RetryKind.OTHER)] = _left_out()

    @property
    def settings(self) -> RetryPolicy:
        rules = {kind.value: getattr(self, kind.value).settings for kind in RetryKind}
        return made(RetryPolicy, {"retry": self}, **rules)


@with_keys("failover", FailOver)
class FailOverTable(_Table):
    """``[service.failover]``."""

    @property
    def settings(self) -> FailOver:
        return made(FailOver, {"failover": self})


@with_keys("routing", RoutingRule)
class RoutingTable(_Table):
    """``[[service.routing]]``."""

    @property
    def settings(self) -> RoutingRule:
        return made(RoutingRule, {"routing": self})


@with_keys("routes", Permits)
class PermitsTable(_Table):
    """``[service.routes.NAME]``."""

    @property
    def settings(self) -> Permits:
        return made(Permits, {"routes": self})


@with_keys("web", WebSettings)
class WebTable(_Table):
    """``[service.web]``."""

    @property
    def settings(self) -> WebSettings:
        return made(WebSettings, {"web": self})


@with_keys("fetch", FetchSettings)
class FetchTable(_Table):
    """``[service.fetch]``."""

    @property
    def settings(self) -> FetchSettings:
        return made(FetchSettings, {"fetch": self})


@with_keys("service.receiving", ReceivingSettings)
class ReceivingTable(_Table):
    """``[service.receiving]``."""

    @property
    def settings(self) -> ReceivingSettings:
        return made(ReceivingSettings, {"service.receiving": self})


@with_keys("service.deliveries", RetrySettings)
class DeliveriesTable(_Table):
    """``[service.deliveries]``."""

    @property
    def settings(self) -> RetrySettings:
        return made(RetrySettings, {"service.deliveries": self})


@with_keys("service.mail", MailServer)
class MailTable(_Table):
    """``[service.mail]``."""

    @property
    def settings(self) -> MailServer:
        return made(MailServer, {"service.mail": self})


@with_keys("service.targets", Target)
class TargetTable(_Table):
    """``[service.targets.NAME]``."""

    @property
    def settings(self) -> Target:
        return self.named("")

    def named(self, name: str) -> Target:
        return made(Target, {"service.targets": self}, name=name)


@with_keys("service.rules", Rule)
class RuleTable(_Table):
    """``[[service.rules]]``."""

    @property
    def settings(self) -> Rule:
        return made(Rule, {"service.rules": self})


@with_keys("", PlaceSettings, QueueSettings, MemorySettings)
class ServiceTable(_Table):
    """``[service]``."""

    retry: RetryTable = _left_out()
    failover: FailOverTable = FailOverTable()
    windows: dict[str, str] = Field(default_factory=dict, max_length=_MOST_ROWS)
    """Windows of hours by name, ``office = "Mon-Fri 08:00-18:00"``."""
    routing: tuple[RoutingTable, ...] = Field((), max_length=_MOST_ROWS)
    routes: dict[str, PermitsTable] = Field(default_factory=dict, max_length=_MOST_ROWS)
    web: WebTable = WebTable()
    fetch: FetchTable = FetchTable()
    receiving: ReceivingTable = ReceivingTable()
    deliveries: DeliveriesTable = DeliveriesTable()
    mail: MailTable = MailTable()
    targets: dict[str, Annotated[TargetTable, BeforeValidator(_listed("mail", "events", "secrets"))]] = Field(
        default_factory=dict, max_length=_MOST_ROWS
    )
    rules: tuple[
        Annotated[
            RuleTable, BeforeValidator(_listed("called", "caller", "station_id", "sub_address", "deliver"))
        ],
        ...,
    ] = Field((), max_length=_MOST_ROWS)

    @property
    def settings(self) -> ServiceSettings:
        return ServiceSettings(
            place=made(PlaceSettings, {"": self}),
            queue=made(QueueSettings, {"": self}),
            memory=made(MemorySettings, {"": self}),
            retry=self.retry.settings,
            failover=self.failover.settings,
            windows={name: _window(name, text) for name, text in self.windows.items()},
            routing=tuple(each.settings for each in self.routing),
            permits={name: each.settings for name, each in self.routes.items()},
            web=self.web.settings,
            fetch=self.fetch.settings,
            delivery=DeliverySettings(
                self.receiving.settings,
                self.deliveries.settings,
                self.mail.settings,
                {name: each.named(name) for name, each in self.targets.items()},
                tuple(each.settings for each in self.rules),
            ),
        )


def read_service(configuration: Configuration, given: Mapping[str, Any] | None = None) -> ServiceSettings:
    """The settings of the service; what is ``given``, as in the table, comes first.

    Raises ConfigurationError with one sentence for each that is wrong.
    """
    place = configuration.place or Path("the settings")
    table = _with_secrets(configuration.service, place, configuration.mode)
    table = _merged(_with_paths(table, place.absolute().parent), given or {})

    def where(path: tuple[str, ...]) -> str:
        full = ("service", *path)
        return variable_of(full) or f"{place}, {'.'.join(full)}"

    try:
        settings = ServiceTable(**table).settings
    except ValidationError as error:
        raise ConfigurationError(*sentences(error, ServiceTable, where, {})) from error
    try:
        settings.check_routes(configuration.names)
    except SettingError as error:
        raise ConfigurationError(f"{place}, service.{error}") from error
    return settings


def _window(name: str, text: str) -> Window:
    try:
        return Window.parse(text)
    except SettingError as error:
        raise SettingError(f"windows.{name}: {error}") from error


def _merged(table: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(table)
    for key, value in given.items():
        below = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[key] = _merged(below, value) if both else value  # type: ignore[arg-type]
    return merged


def _with_paths(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The table with its relative paths made absolute: they are relative to the file's folder."""

    for path, keys in _PATHS.items():
        table = _changed(table, path, partial(_absolute, keys, folder))
    database = table.get("database")
    if isinstance(database, str) and database.startswith("sqlite:///"):
        table["database"] = f"sqlite:///{folder / database.removeprefix('sqlite:///')}"
    return table


def _absolute(
    keys: tuple[str, ...], folder: Path, path: tuple[str, ...], table: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        key: str(folder / Path(value).expanduser())
        if key in keys and isinstance(value, str) and value
        else value
        for key, value in table.items()
    }


def _with_secrets(table: Mapping[str, Any], file: Path, mode: int) -> dict[str, Any]:
    """The table with its secrets from where they are. Raises ConfigurationError."""
    changed = dict(table)
    for path, (secret, most) in _SECRETS.items():
        changed = _changed(changed, path, partial(_revealed, secret, most, file, mode))
    return changed


def _revealed(
    secret: str, most: int, file: Path, mode: int, path: tuple[str, ...], table: Mapping[str, Any]
) -> dict[str, Any]:
    """The table at ``path`` with its secret, or with ``most`` at most. Raises ConfigurationError."""
    where = f"{file}, service.{'.'.join(path)}"
    kept = without_sources(table, secret)
    # The environment comes first: what the file has is then not looked at.
    if variable_of(("service", *path, secret)) is not None:
        return kept
    if most == 1:
        return kept | resolve(table, file, mode, where, secret)
    source = table.get(f"{secret}_file")
    if secret in table:
        check_mode(mode, where, secret)
    if source is None:
        return kept
    if secret in table:
        raise ConfigurationError(f"{where}: {secret} and {secret}_file are both set; keep only one")
    if not isinstance(source, str):
        raise ConfigurationError(f"{where}, {secret}_file: {source!r} is not a string; put it in quotes")
    try:
        return kept | {secret: read_passwords(file.parent / Path(source).expanduser(), most)}
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}, {secret}_file: {error}") from error


def _changed(
    table: Mapping[str, Any],
    path: tuple[str, ...],
    change: Callable[[tuple[str, ...], Mapping[str, Any]], dict[str, Any]],
    place: tuple[str, ...] = (),
) -> dict[str, Any]:
    """A copy of ``table``, which is at ``place``, with the tables at ``path`` below it changed; what is no
    table stays as it is."""
    if not path:
        return change(place, table)
    return dict(table) | {
        name: _changed(below, path[1:], change, (*place, name))
        for name in (table if path[0] == "*" else path[:1])
        if isinstance(below := table.get(name), Mapping)
    }
