"""Starts that fail half-way: each call that a start makes fails in turn, and nothing of it may be left.

A profile function sees every call that the code under test makes, and raises in place of one of them; so a
step that is added to a start is tested without a word here.
"""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType

LIMIT = 10.0
"""Seconds that what was undone may take to be gone; nothing is measured against it."""

NO_DESCRIPTORS = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
FAULT = RuntimeError("a fault of ours")
CANCELLED = asyncio.CancelledError()

_SURE = {
    *("close", "cancel", "unlink", "kill", "__exit__", "__aexit__", "aclose", "join"),
    *("get_running_loop", "call_soon", "__getitem__"),
}
"""Calls that are not made to fail, beside those of containers: what most of them would undo could not be."""
_NOT_OURS = ("timer <function _set_result_unless_cancelled", "thread asyncio_")
"""The pause of the wait itself, and the threads of the loop's executor, which stay."""


class FailingCall:
    """Raises ``error`` in place of call number ``number`` that code of ``modules`` makes below ``roots``."""

    def __init__(
        self,
        roots: Sequence[Callable[..., object]],
        modules: Collection[ModuleType],
        number: int,
        error: BaseException,
    ) -> None:
        self._roots = [root.__code__ for root in roots]  # type: ignore[attr-defined]
        self._files = {module.__file__ for module in modules}
        self._number = number
        self._error = error
        self._seen = 0
        self.struck = ""
        """Where it struck; empty when there are fewer calls."""

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        caller = self._caller(frame, event, argument)
        if caller is None or caller.f_code.co_filename not in self._files or not self._below_root(caller):
            return
        self._seen += 1
        if self._seen == self._number:
            sys.setprofile(None)
            callee = frame.f_code.co_name if event == "call" else getattr(argument, "__qualname__", "")
            self.struck = f"{Path(caller.f_code.co_filename).name}:{caller.f_lineno} {callee}"
            raise self._error

    @staticmethod
    def _caller(frame: FrameType, event: str, argument: object) -> FrameType | None:
        if event == "c_call":
            owner = getattr(argument, "__self__", None)
            sure = getattr(argument, "__name__", "") in _SURE or isinstance(owner, list | set | dict)
            return None if sure else frame
        # A coroutine is entered again whenever it goes on; only its beginning is a call.
        if event != "call" or frame.f_lasti > 4 or frame.f_code.co_name in _SURE:
            return None
        if Path(frame.f_code.co_filename).name == "contextlib.py":
            return None
        return frame.f_back

    def _below_root(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if frame.f_code in self._roots:
                return True
            frame = frame.f_back
        return False


@dataclass(frozen=True, slots=True)
class Belongings:
    """What this process has: descriptors, threads, child processes, and on the loop tasks and timers."""

    things: Counter[str]

    @classmethod
    async def settled(cls) -> Belongings:
        """When what has just been started has come so far that it waits."""
        for _ in range(20):
            await asyncio.sleep(0)
        return cls.now()

    @classmethod
    def now(cls) -> Belongings:
        things = Counter[str]()
        for number in os.listdir("/proc/self/fd"):
            with suppress(OSError):  # that of the list itself
                things[f"descriptor {os.readlink(f'/proc/self/fd/{number}')}"] += 1
        things.update(f"thread {thread.name}" for thread in threading.enumerate())
        for thread in os.listdir("/proc/self/task"):
            with suppress(OSError):  # a thread that ends
                children = Path(f"/proc/self/task/{thread}/children").read_text()
                things.update(f"process {pid}" for pid in children.split())
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return cls(things)
        things.update(f"task {task.get_coro()}" for task in asyncio.all_tasks())
        timers = [timer for timer in loop._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        things.update(f"timer {timer._callback}" for timer in timers)
        things["readers"] = len(loop._selector.get_map())  # type: ignore[attr-defined]
        return cls(things)

    def since(self, before: Belongings) -> Counter[str]:
        return self.things - before.things


async def nothing_left(before: Belongings) -> None:
    """Wait until there is nothing that was not there before."""
    end = asyncio.get_running_loop().time() + LIMIT
    while left := _but_this(Belongings.now().since(before)):
        assert asyncio.get_running_loop().time() < end, f"left behind: {dict(left)}"
        await asyncio.sleep(0.001)


def _but_this(left: Counter[str]) -> list[tuple[str, int]]:
    return [(thing, number) for thing, number in left.items() if not thing.startswith(_NOT_OURS)]


async def fails_at_each_step(
    start: Callable[[], Awaitable[Callable[[], Awaitable[object]]]],
    root: Callable[..., object] | Sequence[Callable[..., object]],
    modules: Collection[ModuleType],
    error: BaseException,
    expected: type[BaseException] | tuple[type[BaseException], ...],
    *,
    least: int = 5,
) -> None:
    """``start`` makes something and starts it, and returns what closes it again.

    Where a call of ``modules`` below ``root`` fails with ``error``, ``expected`` is raised (or the start
    succeeds without that step), and nothing is left. There must be ``least`` such steps.
    """
    await (await start())()
    before = await Belongings.settled()
    roots = root if isinstance(root, Sequence) else (root,)
    number = 0
    while True:
        number += 1
        fault = FailingCall(roots, modules, number, error)
        sys.setprofile(fault)
        try:
            close = await start()
        except BaseException as raised:
            sys.setprofile(None)
            if not isinstance(raised, expected) or not fault.struck:
                raised.add_note(f"at {fault.struck}")
                raise
            del raised
        else:
            sys.setprofile(None)
            await close()
            if not fault.struck:
                break
        try:
            await nothing_left(before)
        except AssertionError as failed:
            failed.add_note(f"after a start that failed at {fault.struck}")
            raise
    assert number > least, f"only {number - 1} steps"
