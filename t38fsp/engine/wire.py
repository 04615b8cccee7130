"""The messages between a program and its engine process, and their form on a pipe.

A frame is four octets of length, big-endian, and that many octets of JSON. An object of a known dataclass is
a list, its class name and then its fields in order; an enumeration member is its name, a tuple a list. The
reader makes nothing but the classes of this module's messages and checks every field against its annotation:
the engine parses what strangers send, so what it says must not be able to run code in the program (as a
pickle could).
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from dataclasses import dataclass
from enum import Enum

from t38fsp.events import FaxEvent, RegistrationChanged
from t38fsp.jobs import EngineSettings, IncomingCall, ReceiveJob, SendJob

LENGTH_OCTETS = 4
MAX_FRAME = 16 * 1024 * 1024
"""Octets. A result takes about 150 for every page, so this holds a document of 100,000 pages."""


class WireError(ValueError):
    """What came over the pipe is no message of this protocol."""


# --- to the engine ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """The first message. ``log_level`` is the least level of the log records to be sent back."""

    settings: EngineSettings
    log_level: int


@dataclass(frozen=True, slots=True)
class Send:
    job: int
    what: SendJob


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
class Refuse:
    call: int


@dataclass(frozen=True, slots=True)
class Close:
    drain: float


Command = Start | Send | Receive | Proceed | Abort | Refuse | Close


# --- from the engine ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """Answers Start: the engine listens at this SIP address."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Answers Start: the engine could not; the process ends."""

    reason: str


@dataclass(frozen=True, slots=True)
class Happened:
    job: int
    event: FaxEvent


@dataclass(frozen=True, slots=True)
class Called:
    call: IncomingCall


@dataclass(frozen=True, slots=True)
class Gone:
    """The call that was announced can no longer be taken."""

    call: int


@dataclass(frozen=True, slots=True)
class Logged:
    """A record of the engine's log, for the program's own ``logging``."""

    logger: str
    level: int
    text: str


Report = Started | NotStarted | Happened | Called | Gone | RegistrationChanged | Logged

Message = Command | Report


# --- encoding -----------------------------------------------------------------------------------------------


def encode(message: Message) -> bytes:
    """One frame."""
    body = json.dumps(_plain(message), separators=(",", ":")).encode("ascii")
    return len(body).to_bytes(LENGTH_OCTETS, "big") + body


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.name
    if dataclasses.is_dataclass(value):
        fields = (_plain(getattr(value, field.name)) for field in dataclasses.fields(value))
        return [type(value).__name__, *fields]
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


class Decoder:
    """Cuts a stream of octets into messages."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """The messages that ``data`` completes. Raises WireError; the stream is useless after that."""
        self._pending += data
        messages = []
        while len(self._pending) >= LENGTH_OCTETS:
            end = LENGTH_OCTETS + int.from_bytes(self._pending[:LENGTH_OCTETS], "big")
            if end > LENGTH_OCTETS + MAX_FRAME:
                raise WireError(f"a frame of {end - LENGTH_OCTETS} octets is longer than {MAX_FRAME}")
            if len(self._pending) < end:
                break
            messages.append(decode(bytes(self._pending[LENGTH_OCTETS:end])))
            del self._pending[:end]
        return messages


def decode(body: bytes) -> Message:
    """The message in one frame, without its length. Raises WireError."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a frame is not JSON: {error}") from None
    return typing.cast(Message, _checked(Message, data))


def _checked(hint: object, data: object) -> object:
    """``data`` as an object of the annotated type ``hint``."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _one_of(arguments, data)
    if origin is tuple and isinstance(data, list):
        if arguments[1:] == (...,):
            return tuple(_checked(arguments[0], item) for item in data)
        if len(arguments) == len(data):
            return tuple(map(_checked, arguments, data))
    if origin is dict and isinstance(data, dict):
        key, value = arguments
        return {_checked(key, name): _checked(value, item) for name, item in data.items()}
    if isinstance(hint, type):
        if dataclasses.is_dataclass(hint):
            return _object(hint, data)
        if issubclass(hint, Enum) and isinstance(data, str) and data in hint.__members__:
            return hint[data]
        if type(data) is hint or (hint is float and type(data) is int):
            return data
    raise WireError(f"{data!r:.60} is not a {hint}")


def _one_of(choices: tuple[object, ...], data: object) -> object:
    for choice in choices:
        named = isinstance(choice, type) and dataclasses.is_dataclass(choice)
        if named and not (isinstance(data, list) and data[:1] == [getattr(choice, "__name__", None)]):
            continue
        try:
            return _checked(choice, data)
        except WireError:
            if named:
                raise
    raise WireError(f"{data!r:.60} is none of what is expected here")


def _object(cls: type, data: object) -> object:
    hints = _hints(cls)
    if not (isinstance(data, list) and len(data) == 1 + len(hints) and data[0] == cls.__name__):
        raise WireError(f"{data!r:.60} is not a {cls.__name__}")
    try:
        return cls(*map(_checked, hints, data[1:]))
    except ValueError as error:
        raise WireError(f"no {cls.__name__}: {error}") from None


@functools.cache
def _hints(cls: type) -> tuple[object, ...]:
    hints = typing.get_type_hints(cls)
    return tuple(hints[field.name] for field in dataclasses.fields(cls))
