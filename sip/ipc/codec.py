"""Messages between our processes, and their form on a pipe or a socket.

A frame is four octets of length, big-endian, and that many octets of JSON. An object of a known dataclass is
a list, its class name and then its fields in order; an enumeration member is its name, a tuple a list. The
reader makes nothing but the classes of its messages and checks every field against its annotation: who
parses what strangers send must not be able to run code in the process at the other end (as a pickle could).

A function crosses as its name, ``module:function``, and the arguments bound to it (``functools.partial``); an
object of a dataclass that can be called, as the name of its class and its fields. The reader takes them only
when the name is on the list of those *allowed* there.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import importlib
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Generic, TypeVar

LENGTH_OCTETS = 4
MAX_FRAME = 1024 * 1024
"""Octets of a frame, unless a codec says otherwise."""

MessageT = TypeVar("MessageT")


class WireError(ValueError):
    """What came over the pipe is no message of this protocol, or what should go cannot be written as one."""


class Codec(Generic[MessageT]):
    """Writes and reads the messages of one protocol.

    ``messages`` is the union of their classes. ``functions`` are the names of those that may be read, each
    ``module:function`` (or class); they are imported at once. Raises WireError for a name that leads to none.
    """

    def __init__(
        self, messages: object, *, functions: Iterable[str] = (), max_frame: int = MAX_FRAME
    ) -> None:
        self._messages = messages
        self._functions = {name: _find(name) for name in functions}
        self.max_frame = max_frame

    def encode(self, message: MessageT) -> bytes:
        """One frame. Raises WireError for a function without a name, or a frame that is too long."""
        body = json.dumps(_plain(message), separators=(",", ":")).encode("ascii")
        if len(body) > self.max_frame:
            raise WireError(f"a frame of {len(body)} octets is longer than {self.max_frame}")
        return len(body).to_bytes(LENGTH_OCTETS, "big") + body

    def decode(self, body: bytes) -> MessageT:
        """The message in one frame, without its length. Raises WireError."""
        try:
            data = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise WireError(f"a frame is not JSON: {error}") from None
        return typing.cast(MessageT, self._checked(self._messages, data))

    def decoder(self) -> Decoder[MessageT]:
        return Decoder(self)

    def _checked(self, hint: object, data: object) -> object:
        """``data`` as an object of the annotated type ``hint``."""
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (types.UnionType, typing.Union):
            return self._one_of(arguments, data)
        if origin is collections.abc.Callable:
            return self._function(data)
        if isinstance(data, list):
            if origin is collections.abc.Sequence or (origin is tuple and arguments[1:] == (...,)):
                return tuple(self._checked(arguments[0], item) for item in data)
            if origin is tuple and len(arguments) == len(data):
                return tuple(map(self._checked, arguments, data))
        if origin is dict and isinstance(data, dict):
            key, value = arguments
            return {self._checked(key, name): self._checked(value, item) for name, item in data.items()}
        if isinstance(hint, type):
            if dataclasses.is_dataclass(hint):
                return self._object(hint, data)
            if issubclass(hint, Enum) and isinstance(data, str) and data in hint.__members__:
                return hint[data]
            if type(data) is hint or (hint is float and type(data) is int):
                return data
        raise WireError(f"{_kind(data)} is not a {hint}")

    def _one_of(self, choices: tuple[object, ...], data: object) -> object:
        for choice in choices:
            named = isinstance(choice, type) and dataclasses.is_dataclass(choice)
            if named and not (isinstance(data, list) and data[:1] == [getattr(choice, "__name__", None)]):
                continue
            try:
                return self._checked(choice, data)
            except WireError:
                if named:
                    raise
        raise WireError(f"{_kind(data)} is none of what is expected here")

    def _object(self, cls: type, data: object) -> object:
        hints = _hints(cls)
        if not (isinstance(data, list) and len(data) == 1 + len(hints) and data[0] == cls.__name__):
            raise WireError(f"{_kind(data)} is not a {cls.__name__}")
        try:
            return cls(*map(self._checked, hints, data[1:]))
        except ValueError as error:
            raise WireError(f"no {cls.__name__}: {error}") from None

    def _function(self, data: object) -> Callable[..., object]:
        name, *arguments = data if isinstance(data, list) else [None]
        function = self._functions.get(name) if isinstance(name, str) else None
        if function is None:
            raise WireError(f"the function {name!r:.80} is not allowed here")
        is_class = dataclasses.is_dataclass(function)
        hints = _hints(typing.cast(type, function)) if is_class else _parameter_hints(function)
        if len(arguments) > len(hints):
            raise WireError(f"{name} takes no {len(arguments)} arguments")
        bound = functools.partial(function, *map(self._checked, hints, arguments))
        if not is_class:
            return bound
        try:
            return typing.cast(Callable[..., object], bound())
        except (TypeError, ValueError) as error:
            raise WireError(f"no {name}: {error}") from None


class Decoder(Generic[MessageT]):
    """Cuts a stream of octets into messages."""

    def __init__(self, codec: Codec[MessageT]) -> None:
        self._codec = codec
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[MessageT]:
        """The messages that ``data`` completes. Raises WireError; the stream is useless after that."""
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
            messages.append(self._codec.decode(bytes(self._pending[LENGTH_OCTETS:end])))
            del self._pending[:end]
        return messages


def _kind(data: object) -> str:
    """What ``data`` is, and not what it says: it may hold passwords, and errors are logged."""
    if isinstance(data, list) and data and isinstance(data[0], str) and data[0].isidentifier():
        return f"a list of {len(data)} that begins like a {data[0]:.40}"
    return f"a {type(data).__name__}"


def function_name(function: Callable[..., object]) -> str:
    """The name under which a function crosses. Raises WireError for one that cannot."""
    if isinstance(function, functools.partial):
        if function.keywords:
            raise WireError(f"{function!r:.80} has named arguments; only positional ones cross")
        function = function.func
    elif dataclasses.is_dataclass(function):
        function = function if isinstance(function, type) else type(function)
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    full = f"{module}:{name}"
    if not isinstance(name, str) or "." in name or "<" in name or _find(full) is not function:
        raise WireError(f"{function!r:.80} cannot cross to another process; use a function of a module")
    return full


def _find(name: str) -> Callable[..., object]:
    module, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise WireError(f"{name!r} names no function: {error}") from None
    if not callable(function):
        raise WireError(f"{name!r} is no function")
    return typing.cast(Callable[..., object], function)


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.name
    if dataclasses.is_dataclass(value):
        name = function_name(value) if callable(value) else type(value).__name__
        return [name, *(_plain(getattr(value, field.name)) for field in dataclasses.fields(value))]
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, functools.partial):
        return [function_name(value), *map(_plain, value.args)]
    if callable(value):
        return [function_name(value)]
    return value


@functools.cache
def _hints(cls: type) -> tuple[object, ...]:
    hints = typing.get_type_hints(cls)
    return tuple(hints[field.name] for field in dataclasses.fields(cls))


@functools.cache
def _parameter_hints(function: Callable[..., object]) -> tuple[object, ...]:
    hints = typing.get_type_hints(function)
    return tuple(hints.get(name) for name in inspect.signature(function).parameters)
