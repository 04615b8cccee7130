"""Messages between a line and its PJSIP workers; commands and events are those of :mod:`sip.remote.wire`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sip.ipc.codec import Codec
from sip.ipc.messages import Alive, Close, Logged, NotStarted, Start, Started
from sip.line_settings import TlsSettings
from sip.remote.wire import CallHappened, NotPlaced, Redirect, Register, RegistrationIs, Unregister, Verb
from sip.values import Address


@dataclass(frozen=True, slots=True)
class StartStack(Start):
    """Listen for UDP and TCP at ``host:port`` (port 0 for any), and for TLS at ``tls_listen`` if that is set.
    Far ends see ``advertised`` in place of the host."""

    host: str
    port: int
    tls_listen: Address | None
    tls: TlsSettings
    advertised: str | None
    user_agent: str
    max_incoming: int


@dataclass(frozen=True, slots=True)
class Freed:
    """A call that is over does not count any more: another can be placed."""

    call: int


StackVerb = Verb | Register | Redirect | Unregister
WorkerCommand = StartStack | Close | StackVerb
WorkerReport = Started | NotStarted | Alive | CallHappened | NotPlaced | Freed | RegistrationIs | Logged
Message = WorkerCommand | WorkerReport


def codec(functions: Iterable[str] = ()) -> Codec[Message]:
    """``functions`` are the answerers that a worker allows."""
    return Codec(Message, functions=functions)
