"""A worker process: ``python -m t38fsp.image.worker [OCTETS]`` does one job after another from its pipe.

OCTETS limits its memory. It ends when its input ends, so it never outlives the process that started it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import BinaryIO

from t38fsp.image.document import encode_page, inspect
from t38fsp.image.errors import DocumentError, ImageError, StoreError
from t38fsp.image.header import HeaderLine
from t38fsp.image.store import append_page, finish
from t38fsp.image.wire import LENGTHS, Reply, Request, format_fields, mode_of, pack, quality_fields

NICENESS = 5
"""Coding a page may wait; the packets of the calls may not."""


def perform(request: Request, data: bytes) -> tuple[Reply, bytes]:
    """Do one job. Raises :class:`ImageError`."""
    path = request["path"]
    match request["job"]:
        case "inspect":
            return {"formats": [format_fields(page) for page in inspect(path)]}, b""
        case "encode":
            return {}, encode_page(path, request["index"], mode_of(request["mode"]), _header_of(request))
        case "store":
            return {"quality": quality_fields(append_page(path, data, mode_of(request["mode"])))}, b""
        case "finish":
            finish(path, request["total"])
            return {}, b""
        case unknown:
            raise ImageError(f"there is no job called {unknown}")


def _header_of(request: Request) -> HeaderLine | None:
    parts = request.get("header")
    if parts is None:
        return None
    left, middle, right = parts
    return left, middle, right


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer jobs from ``source`` on ``sink`` until ``source`` ends."""
    while len(lengths := source.read(LENGTHS.size)) == LENGTHS.size:
        header_length, data_length = LENGTHS.unpack(lengths)
        request: Request = json.loads(source.read(header_length))
        data = source.read(data_length)
        try:
            reply, data = perform(request, data)
        except ImageError as error:
            reply, data = {"error": type(error).__name__, "message": str(error)}, b""
        except MemoryError:
            kind = StoreError if request["job"] == "store" else DocumentError
            message = "the page needs more memory than an image worker may use; give smaller pages"
            reply, data = {"error": kind.__name__, "message": message}, b""
        sink.write(pack(reply, data))
        sink.flush()


def _silence_libtiff() -> None:
    """libtiff writes a line for each row it cannot read, past Python; leave standard error to Python."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)


def main() -> None:
    _silence_libtiff()
    # Ctrl-C goes to the whole process group, but the parent decides when this process ends.
    # A terminal and a service manager signal the whole group: the program ends its calls, and then this pipe.
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "win32":
        import resource

        os.nice(NICENESS)
        if len(sys.argv) > 1:
            memory = int(sys.argv[1])
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
