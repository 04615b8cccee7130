"""Messages between a program and its engine process, encoded by ``sip.ipc.codec``."""

from __future__ import annotations

from dataclasses import dataclass

from sip.ipc.codec import Codec
from sip.ipc.messages import Alive, Close, Logged, NotStarted, Start, Started
from sip.values import Hop
from t38fsp.events import FaxEvent, RegistrationChanged
from t38fsp.jobs import EngineSettings, PollJob, ReceiveJob, SendJob, WaitingCall

MAX_FRAME = 16 * 1024 * 1024
"""Octets. A result takes about 150 for every page, so this is enough for a document of 100,000 pages."""


# --- to the engine ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartEngine(Start):
    settings: EngineSettings


@dataclass(frozen=True, slots=True)
class Send:
    job: int
    what: SendJob


@dataclass(frozen=True, slots=True)
class Poll:
    job: int
    what: PollJob


@dataclass(frozen=True, slots=True)
class Receive:
    job: int
    what: ReceiveJob


@dataclass(frozen=True, slots=True)
class Proceed:
    job: int
    go_on: bool


@dataclass(frozen=True, slots=True)
class Abort:
    job: int


@dataclass(frozen=True, slots=True)
class RefuseWaiting:
    call: int
    status: int = 486


Command = StartEngine | Send | Poll | Receive | Proceed | Abort | RefuseWaiting | Close


# --- from the engine ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListeningAt:
    """Before Started: where SIP listens, for each transport."""

    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Limited:
    """The engine is overloaded, and accepts up to ``calls``; None removes the limit."""

    calls: int | None


@dataclass(frozen=True, slots=True)
class Closing:
    """Confirms Close, to distinguish an engine that hangs from one whose calls take a while to end."""


@dataclass(frozen=True, slots=True)
class JobHappened:
    job: int
    event: FaxEvent


@dataclass(frozen=True, slots=True)
class Called:
    call: WaitingCall


@dataclass(frozen=True, slots=True)
class Gone:
    """The announced call can no longer be accepted."""

    call: int


Answer = ListeningAt | Started | NotStarted | Closing
Report = Alive | Answer | JobHappened | Called | Gone | RegistrationChanged | Limited | Logged

Message = Command | Report

CODEC: Codec[Message] = Codec(Message, max_frame=MAX_FRAME)
