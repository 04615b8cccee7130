"""Messages common to every supervised child and its program; each protocol adds its own."""

from __future__ import annotations

from sip.frozen import dataclass
from sip.values import Address

# --- to the child -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """The first message; each protocol adds its settings."""

    log_level: int
    """The lowest level of log records to send back."""
    heartbeat: float
    """Seconds from one Alive to the next."""


@dataclass(frozen=True, slots=True)
class Close:
    """End every call and the process."""

    drain: float = 0.0
    """Seconds to wait for calls to end before they are hung up."""


# --- from the child -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """Response to Start: the child listens at these SIP addresses."""

    address: Address
    tls_address: Address | None = None


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Response to Start: the child could not start, and exits."""

    reason: str


@dataclass(frozen=True, slots=True)
class Alive:
    """Heartbeat, sent by the loop or thread that does the work."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A log record of the child, for the program's ``logging``."""

    logger: str
    level: int
    text: str
    call: tuple[tuple[str, str], ...] = ()
    """What is known of the call that it is about (``sip.logs.CALL``), in pairs."""
