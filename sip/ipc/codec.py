"""Encoding of messages between our processes, on a pipe or a socket.

A frame is four octets of length, big-endian, and that many octets of JSON. An object of a known dataclass is
a list of its class name and its fields in order; an enumeration member is its name, a tuple a list. The
reader creates only the classes of its messages and checks every field against its annotation: a process that
parses untrusted input must not be able to run code in the process at the other end (as it could with pickle).

One field of a message may be octets, such as a page. They follow the JSON unchanged, after a zero octet,
which JSON cannot contain (RFC 8259 section 7); the field itself contains their number.

A function is encoded as its name, ``module:function``, and the arguments bound to it (``functools.partial``);
a callable dataclass object as the name of its class and its fields. The reader accepts them only if the name
is in its list of *allowed* functions.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import functools
import importlib
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Generic, TypeVar

LENGTH_OCTETS = 4
READ_OCTETS = 65536
"""Octets to read at once: the capacity of a pipe on Linux."""
MAX_FRAME = 1024 * 1024
"""Maximum octets of a frame, unless a codec sets another."""

_AS_JSON = frozenset((str, int, float, bool, type(None)))
# Created once: per message it would cost as much as the encoding itself.
_TO_JSON = json.JSONEncoder(separators=(",", ":"))
_OF_JSON = json.JSONDecoder()

MessageT = TypeVar("MessageT")


class WireError(ValueError):
    """Received data is not a message of this protocol, or an object cannot be encoded as one."""


class Codec(Generic[MessageT]):
    """Writes and reads the messages of one protocol.

    ``messages`` is the union of their classes. ``functions`` are the names of the allowed functions, each
    ``module:function`` (or class); they are imported at once. Raises WireError for an unknown name.
    """

    def __init__(
        self, messages: object, *, functions: Iterable[str] = (), max_frame: int = MAX_FRAME
    ) -> None:
        self._read = _reader(messages)
        self._functions = {name: _find(name) for name in functions}
        self.max_frame = max_frame

    def encode(self, message: MessageT) -> bytes:
        """One frame.

        Raises WireError for a function without a name, a second field of octets, or a frame that is too long.
        """
        tails: list[bytes] = []
        body = _TO_JSON.encode(_plain(message, tails)).encode("ascii")
        if len(tails) > 1:
            raise WireError(f"a {type(message).__name__} has {len(tails)} fields of octets; a frame has one")
        parts = (body, b"\0", tails[0]) if tails else (body,)
        length = sum(map(len, parts))
        # The other side would refuse it, and end the connection.
        if length > self.max_frame:
            raise WireError(f"a frame of {length} octets is longer than {self.max_frame}")
        return b"".join((length.to_bytes(LENGTH_OCTETS, "big"), *parts))

    def decode(self, body: bytes) -> MessageT:
        """The message in one frame, without its length. Raises WireError."""
        # JSON escapes U+0000, so the first zero octet is the separator.
        text, zero, octets = body.partition(b"\0")
        try:
            data = _OF_JSON.decode(text.decode())
        # RecursionError: a few thousand opening brackets are valid up to there.
        except (ValueError, RecursionError) as error:
            raise WireError(f"a frame is not JSON: {error}") from None
        frame = _Frame(self._functions, octets if zero else None)
        message = self._read(frame, data)
        if frame.tail is not None:
            raise WireError(f"a frame has {len(octets)} octets that no field takes")
        return typing.cast(MessageT, message)

    def decoder(self) -> Decoder[MessageT]:
        return Decoder(self)


class _Frame:
    """The octets and allowed functions of a frame while its JSON is read."""

    def __init__(self, functions: Mapping[str, Callable[..., object]], tail: bytes | None) -> None:
        self._functions = functions
        self.tail = tail
        """The octets after the JSON, until a field has taken them."""

    def octets(self, data: object) -> bytes:
        """The tail, if ``data`` is its length."""
        tail = self.tail
        if tail is None or type(data) is not int or data != len(tail):
            raise WireError(f"{_kind(data)} is not the number of octets in the frame")
        self.tail = None
        return tail

    def function(self, data: object) -> Callable[..., object]:
        name, *arguments = data if isinstance(data, list) and data else [None]
        function = self._functions.get(name) if isinstance(name, str) else None
        if function is None:
            raise WireError(f"the function {name!r:.80} is not allowed here")
        is_class = dataclasses.is_dataclass(function)
        readers = _fields(typing.cast(type, function)) if is_class else _parameters(function)
        if len(arguments) > len(readers):
            raise WireError(f"{name} does not take {len(arguments)} arguments")
        # An answerer gets its remaining arguments when it is called.
        values = [read(self, item) for read, item in zip(readers, arguments, strict=False)]
        bound = functools.partial(function, *values)
        if not is_class:
            return bound
        try:
            return typing.cast(Callable[..., object], bound())
        except (TypeError, ValueError) as error:
            raise WireError(f"invalid {name}: {error}") from None


_Read = Callable[[_Frame, object], object]
"""Converts a piece of JSON to the type of an annotation, or raises WireError."""


def _reader(hint: object) -> _Read:
    """The reader for the annotation ``hint``.

    Annotations are evaluated once, and not for each message: some messages have thousands of fields, and are
    read on a loop that has packets to send.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _one_of(arguments)
    if origin is collections.abc.Callable:
        return _Frame.function
    if origin is collections.abc.Sequence or (origin is tuple and arguments[1:] == (...,)):
        return _several(_reader(arguments[0]))
    if origin is tuple:
        return _each([_reader(argument) for argument in arguments])
    if origin is dict:
        return _mapping(*map(_reader, arguments))
    if isinstance(hint, type):
        if dataclasses.is_dataclass(hint):
            return _object(hint)
        if issubclass(hint, Enum):
            return _member(hint)
        if hint is bytes:
            return _Frame.octets
        return _of_type(float, int) if hint is float else _of_type(hint)
    # An annotation that is not known accepts nothing.
    return _of_type()


def _one_of(choices: tuple[object, ...]) -> _Read:
    named = {
        choice.__name__: _object(choice)
        for choice in choices
        if isinstance(choice, type) and dataclasses.is_dataclass(choice)
    }
    others = [_reader(choice) for choice in choices if getattr(choice, "__name__", None) not in named]

    def read(frame: _Frame, data: object) -> object:
        if isinstance(data, list) and data and isinstance(data[0], str) and data[0] in named:
            return named[data[0]](frame, data)
        for other in others:
            with contextlib.suppress(WireError):
                return other(frame, data)
        raise WireError(f"{_kind(data)} is not one of the expected types")

    return read


def _several(read_item: _Read) -> _Read:
    def read(frame: _Frame, data: object) -> object:
        if not isinstance(data, list):
            raise WireError(f"{_kind(data)} is not a list")
        return tuple([read_item(frame, item) for item in data])

    return read


def _each(readers: list[_Read]) -> _Read:
    def read(frame: _Frame, data: object) -> object:
        if not isinstance(data, list) or len(data) != len(readers):
            raise WireError(f"{_kind(data)} is not a list of {len(readers)}")
        return tuple([read_item(frame, item) for read_item, item in zip(readers, data, strict=True)])

    return read


def _mapping(read_key: _Read, read_value: _Read) -> _Read:
    def read(frame: _Frame, data: object) -> object:
        if not isinstance(data, dict):
            raise WireError(f"{_kind(data)} is not an object")
        return {read_key(frame, key): read_value(frame, value) for key, value in data.items()}

    return read


def _object(cls: type) -> _Read:
    name = cls.__name__

    def read(frame: _Frame, data: object) -> object:
        readers = _fields(cls)
        if not (isinstance(data, list) and len(data) == 1 + len(readers) and data[0] == name):
            raise WireError(f"{_kind(data)} is not a {name}")
        values = [read_field(frame, item) for read_field, item in zip(readers, data[1:], strict=True)]
        try:
            # The class checks itself, as anywhere: bounds hold for what comes from a pipe, too.
            return cls(*values)
        except ValueError as error:
            raise WireError(f"invalid {name}: {error}") from None

    return read


def _member(cls: type[Enum]) -> _Read:
    members = cls.__members__

    def read(frame: _Frame, data: object) -> object:
        if not isinstance(data, str) or data not in members:
            raise WireError(f"{_kind(data)} is not a {cls.__name__}")
        return members[data]

    return read


def _of_type(*classes: type) -> _Read:
    """Exactly these types: ``bool`` is a subclass of ``int``, but JSON's true is not a number."""

    def read(frame: _Frame, data: object) -> object:
        # A cast would turn "false" into true.
        if type(data) not in classes:
            raise WireError(f"{_kind(data)} is not one of {[cls.__name__ for cls in classes]}")
        return data

    return read


class Decoder(Generic[MessageT]):
    """Splits a stream of octets into messages."""

    def __init__(self, codec: Codec[MessageT]) -> None:
        self._codec = codec
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[MessageT]:
        """The messages that ``data`` completes. Raises WireError; the stream cannot be used after that."""
        self._pending += data
        messages = []
        while len(self._pending) >= LENGTH_OCTETS:
            end = LENGTH_OCTETS + int.from_bytes(self._pending[:LENGTH_OCTETS], "big")
            if end > LENGTH_OCTETS + self._codec.max_frame:
                raise WireError(
                    f"a frame of {end - LENGTH_OCTETS} octets is longer than {self._codec.max_frame}"
                )
            if len(self._pending) < end:
                break
            with memoryview(self._pending) as octets:  # slicing the bytearray itself would copy once more
                body = bytes(octets[LENGTH_OCTETS:end])
            messages.append(self._codec.decode(body))
            del self._pending[:end]
        return messages


def _kind(data: object) -> str:
    """The type of ``data`` without its value, which may contain passwords: errors are logged."""
    if isinstance(data, list) and data and isinstance(data[0], str) and data[0].isidentifier():
        return f"a list of {len(data)} that begins like a {data[0]:.40}"
    return f"a {type(data).__name__}"


def function_name(function: Callable[..., object]) -> str:
    """The name that a function is encoded as. Raises WireError for one that cannot be encoded."""
    if isinstance(function, functools.partial):
        if function.keywords:
            raise WireError(f"{function!r:.80} has keyword arguments; bind positional ones only")
        function = function.func
    elif dataclasses.is_dataclass(function):
        function = function if isinstance(function, type) else type(function)
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    full = f"{module}:{name}"
    # Methods, local functions and lambdas have no name that the reader could find them by.
    if not isinstance(name, str) or "." in name or "<" in name or _find(full) is not function:
        raise WireError(f"{function!r:.80} cannot cross to another process; use a function of a module")
    return full


def _find(name: str) -> Callable[..., object]:
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise WireError(f"{name!r} is not the name of a function: {error}") from None
    if not callable(function):
        raise WireError(f"{name!r} is not a function")
    return typing.cast(Callable[..., object], function)


def _plain(value: object, tails: list[bytes]) -> object:
    """``value`` as JSON types; octets are appended to ``tails``."""
    kind: type = type(value)
    if kind in _AS_JSON:
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bytes):
        tails.append(value)
        return len(value)
    if (names := _field_names(kind)) is not None:
        first = function_name(value) if callable(value) else kind.__name__
        return [first, *[_plain(getattr(value, name), tails) for name in names]]
    if isinstance(value, tuple | list):
        return [_plain(item, tails) for item in value]
    if isinstance(value, functools.partial):
        return [function_name(value), *(_plain(item, tails) for item in value.args)]
    if callable(value):
        return [function_name(value)]
    return value


@functools.cache
def _field_names(cls: type) -> tuple[str, ...] | None:
    """The field names of a dataclass; None for other classes."""
    return tuple(field.name for field in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else None


@functools.cache
def _fields(cls: type) -> tuple[_Read, ...]:
    hints = typing.get_type_hints(cls)
    return tuple(_reader(hints[field.name]) for field in dataclasses.fields(cls))


@functools.cache
def _parameters(function: Callable[..., object]) -> tuple[_Read, ...]:
    hints = typing.get_type_hints(function)
    return tuple(_reader(hints.get(name)) for name in inspect.signature(function).parameters)
