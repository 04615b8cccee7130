"""The messages that every supervised child and its program exchange, beside those of their own."""

from __future__ import annotations

from sip.frozen import dataclass
from sip.values import Address

# --- to the child -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """The first message; each protocol adds its settings."""

    log_level: int
    """The least level of the log records to be sent back."""
    heartbeat: float
    """Seconds from one Alive to the next."""


@dataclass(frozen=True, slots=True)
class Close:
    """End every call and the process."""

    drain: float = 0.0
    """Seconds that the calls have to end by themselves."""


# --- from the child -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """Answers Start: it listens at these SIP addresses."""

    address: Address
    tls_address: Address | None = None


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Answers Start: it could not, and ends."""

    reason: str


@dataclass(frozen=True, slots=True)
class Alive:
    """What does the work still has its turns."""


@dataclass(frozen=True, slots=True)
class Logged:
    """A record of the child's log, for the program's own ``logging``."""

    logger: str
    level: int
    text: str
    call: tuple[tuple[str, str], ...] = ()
    """What is known of the call that it is about (``sip.logs.CALL``), in pairs."""
