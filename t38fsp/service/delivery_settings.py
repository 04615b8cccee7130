"""Settings of receiving and of deliveries: the mail server, retries, retention, refused callers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from enum import Enum

from sip.bounds import check, like, setting, text
from sip.frozen import dataclass
from t38fsp.errors import SettingError
from t38fsp.service.policy.retry import RetryPolicy, RetryRule, grown
from t38fsp.service.policy.rules import Rule, check_patterns
from t38fsp.service.targets import (
    Target,
    TargetKind,
    check_address,
    check_hosts,
    check_networks,
    check_secrets,
)

DAY = 86400.0

_TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class MailSecurity(Enum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    """TLS from a command on, on port 587; required."""
    TLS = "tls"
    """TLS from the beginning, on port 465."""
    NONE = "none"
    """For a server on this machine, on port 25."""

    @property
    def port(self) -> int:
        return {MailSecurity.STARTTLS: 587, MailSecurity.TLS: 465, MailSecurity.NONE: 25}[self]


@dataclass(frozen=True, slots=True)
class MailServer:
    """``[service.mail]``: the server that takes mail of received faxes.

    Raises SettingError for a value out of range, and for a password that would be sent in the clear.
    """

    host: str = setting("", check=text, table="service.mail")
    """Name or address of the server; without it there is no mail."""
    port: int = setting(0, least=1, most=65535, off=0, table="service.mail")
    """Default: 587, 465 or 25, as ``security`` is."""
    security: MailSecurity = setting(MailSecurity.STARTTLS, table="service.mail")
    """``"starttls"``, ``"tls"``, or ``"none"`` for a server on this machine."""
    authorities: str = setting("", check=text, table="service.mail")
    """File with the certificates (PEM) of the authorities that the server's certificate comes from; default:
    those of this machine."""
    user: str = setting("", check=text, table="service.mail")
    """Account at the server; empty for none."""
    password: str | None = setting(None, check=str, secret=True, table="service.mail")
    """The password itself."""
    sender: str = setting("", check=check_address, table="service.mail")
    """Address that the mail comes from."""
    most_octets: int = setting(
        20_000_000, least=10_000, most=200_000_000, unit="octets", table="service.mail"
    )
    """Size of the attached files; a larger fax is not sent by mail, and is shown as failed."""

    def __post_init__(self) -> None:
        check(self, SettingError)
        if self.host and not self.sender:
            raise SettingError("sender: missing; name the address that the mail comes from")
        if self.password and self.security is MailSecurity.NONE:
            raise SettingError(
                "password: it would be sent in the clear; set security to starttls or tls, or leave user and "
                "password out"
            )


class BlockedAnswer(Enum):
    """What a caller on the block list hears."""

    BUSY = "busy"
    """486, which a fax machine tries again."""
    DECLINE = "decline"
    """603."""

    @property
    def status(self) -> int:
        return {BlockedAnswer.BUSY: 486, BlockedAnswer.DECLINE: 603}[self]


@dataclass(frozen=True, slots=True)
class ReceivingSettings:
    """``[service.receiving]``. Raises SettingError for a value out of range."""

    spool: str = setting("", check=text, table="service.receiving")
    """Folder for faxes while they are received, on a disk of this host. Default: beside the database or, with
    PostgreSQL, in the state folder of the service."""
    blocked: tuple[str, ...] = setting((), check=check_patterns, table="service.receiving")
    """Patterns of callers that are refused, beside those of the block list in the database."""
    blocked_answer: BlockedAnswer = setting(BlockedAnswer.BUSY, table="service.receiving")
    """``"busy"``, or ``"decline"``, which tells the caller not to try again."""
    keep_days: float = like(Rule, "keep_days", default=30.0, table="service.receiving")
    """How long received faxes are kept, once they were delivered. One that could not be delivered is kept as
    long as ``keep_failed_days``."""
    keep_failed_days: float = like(Rule, "keep_days", default=365.0, table="service.receiving")
    """How long those are kept that could not be delivered."""
    keep_records_days: float = like(Rule, "keep_days", default=730.0, table="service.receiving")
    """How long it is kept on record that a fax was received, when its pages are removed."""

    def __post_init__(self) -> None:
        check(self, SettingError)


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """``[service.deliveries]``: how often a delivery is tried, and how many at a time.

    Raises SettingError for a value out of range.
    """

    attempts: int = like(RetryRule, "attempts", default=20, table="service.deliveries")
    """A delivery that failed so often is given up, and can be asked for again."""
    first_delay: float = like(RetryRule, "first_delay", default=10.0, table="service.deliveries")
    """Time from the first attempt to the second; each further one is ``growth`` times as long."""
    growth: float = like(RetryRule, "growth", default=2.5, table="service.deliveries")
    """Factor by which the time grows from one attempt to the next."""
    longest_delay: float = like(RetryRule, "longest_delay", default=21600.0, table="service.deliveries")
    """Longest time between two attempts."""
    hours: float = like(RetryPolicy, "hours", default=96.0, table="service.deliveries")
    """A delivery that has failed for so long is given up."""
    at_a_time: int = setting(32, least=1, most=500, table="service.deliveries")
    """Deliveries of one host at the same time."""
    per_target: int = setting(4, least=1, most=100, table="service.deliveries")
    """Of these to one target, so that one that hangs leaves room for the others."""
    webhook_hosts: tuple[str, ...] = setting((), check=check_hosts, table="service.deliveries")
    """Hosts, such as ``"hooks.example"`` or ``"*.example"``, to which webhooks of jobs may go; without any a
    job cannot have a webhook."""
    webhook_networks: tuple[str, ...] = setting((), check=check_networks, table="service.deliveries")
    """Private networks in which these hosts may be; all others that are not public are refused."""
    webhook_plain: bool = setting(False, table="service.deliveries")
    """Allow ``http`` beside ``https`` for them."""
    webhook_secrets: tuple[str, ...] = setting(
        (), check=check_secrets, secret=True, table="service.deliveries"
    )
    """Secrets (``whsec_…``) from which the secret of each API key follows that signs the webhooks of its
    jobs; several while it changes."""

    def __post_init__(self) -> None:
        check(self, SettingError)
        if self.webhook_hosts and not self.webhook_secrets:
            raise SettingError("webhook_secrets: missing; webhooks of jobs are signed, so give a secret")

    def delay(self, attempts: int, spread: float) -> float:
        """Seconds to the next attempt after so many failed; ``spread`` is a random number from 0 to 1, which
        shortens or lengthens it by up to a fifth."""
        # Spread, so that deliveries that failed together do not all come back together.
        return grown(self.first_delay, self.growth, self.longest_delay, attempts) * (0.8 + 0.4 * spread)


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """All settings of receiving and of deliveries. Raises SettingError for a rule or a target that does not
    fit the others."""

    receiving: ReceivingSettings = ReceivingSettings()
    retries: RetrySettings = RetrySettings()
    mail: MailServer = MailServer()
    targets: Mapping[str, Target] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        for name, target in self.targets.items():
            if not _TARGET_NAME.fullmatch(name):
                raise SettingError(
                    f"targets: the name {name[:60]!r} is invalid; use up to 64 letters, digits, hyphens, "
                    "dots and underscores"
                )
            if target.kind is TargetKind.MAIL and not self.mail.host:
                raise SettingError(f"targets.{name}: there is no mail server; set host in [service.mail]")
        for number, rule in enumerate(self.rules, start=1):
            for name in rule.deliver:
                if name not in self.targets:
                    known = ", ".join(self.targets) or "none"
                    raise SettingError(
                        f"rule {rule.name or number}: there is no target {name[:60]!r}, only: {known}; add "
                        f"[service.targets.{name[:60]}], or correct the name"
                    )
