"""A worker process: ``python -m t38fsp.image.worker [OCTETS [NICENESS]]`` does one job after another from its
pipe.

OCTETS limits its memory, NICENESS is taken from its priority. It ends when its input ends, so it never
outlives the process that started it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

from t38fsp.image.coder import encode_burst
from t38fsp.image.document import Facts, KnownPage, encode_known_page, inspect_pages, structure
from t38fsp.image.errors import DocumentError, ImageError, StoreError
from t38fsp.image.exact import read_burst
from t38fsp.image.growing import complete, create, discard
from t38fsp.image.room import check_room
from t38fsp.image.store import append_page, finish
from t38fsp.image.tiff import TiffPage
from t38fsp.image.wire import (
    LENGTHS,
    FileId,
    HeaderLine,
    Reply,
    Request,
    growing_of,
    mode_of,
    pack,
    quality_fields,
)
from t38fsp.t30.vocabulary import Coding, PageMode, Resolution

TURN = 0.05
"""Seconds after which another document has its turn, when the page that is being read then is read."""

_PROOF = PageMode(Coding.MMR, 1728, Resolution.R8_FINE, ecm=True, bit_rate=14400)
_PROOF_ROWS = 2300
"""Of an ordinary page: what that takes must be there."""


def perform(request: Request, data: bytes, note: Callable[[Reply], None]) -> tuple[Reply, bytes]:
    """Do one job; ``note`` takes what is to be known if it comes to no end. Raises :class:`ImageError`."""
    path = request.get("path", "")
    match request["job"]:
        case "prove":
            _prove()
            return {}, b""
        case "structure":
            identity, pages = structure(path)
            return {"identity": list(identity), "pages": _page_fields(pages)}, b""
        case "inspect":
            facts = inspect_pages(path, tuple(request["identity"]), request["pages"], TURN)
            return {"facts": [each.value for each in facts]}, b""
        case "encode":
            number, place, known = request["page"]
            page = KnownPage(tuple(request["identity"]), number, place, Facts(known))
            return {}, encode_known_page(path, page, mode_of(request["mode"]), _header_of(request))
        case "check_room":
            check_room(path, request["append"])
            return {}, b""
        case "create":
            return {"growing": create(path, request["append"])}, b""
        case "store":
            quality = append_page(
                path,
                data,
                mode_of(request["mode"]),
                _file_id_of(request),
                since=request.get("since"),
                on_size=lambda octets: note({"since": octets}),
            )
            return {"quality": quality_fields(quality)}, b""
        case "finish":
            finish(path, request["total"], _file_id_of(request))
            return {}, b""
        case "complete":
            return {"path": complete(growing_of(request["growing"]), path)}, b""
        case "discard":
            discard(growing_of(request["growing"]), path)
            return {}, b""
        case unknown:
            raise ImageError(f"there is no job called {unknown}")


def _prove() -> None:
    """Code a page and read it again, as the jobs will."""
    try:
        burst = encode_burst(bytes(_PROOF.width // 8 * _PROOF_ROWS), _PROOF)
        image = read_burst(burst, _PROOF)
    except (OSError, MemoryError) as error:  # Pillow has words of its own for want of memory
        raise ImageError(f"there is too little memory for an ordinary page: {error}") from error
    if image is None or image.height != _PROOF_ROWS:
        raise ImageError("Pillow does not give back the page that it coded; install it anew")


def _page_fields(pages: list[TiffPage]) -> list[tuple[int, int, str, int, int]]:
    first: dict[TiffPage, int] = {}
    return [
        (
            page.format.width,
            page.format.rows,
            page.format.resolution.name,
            page.place,
            first.setdefault(replace(page, number=0, place=0), index),
        )
        for index, page in enumerate(pages)
    ]


def _file_id_of(request: Request) -> FileId | None:
    file_id = request.get("file_id")
    return None if file_id is None else (file_id[0], file_id[1])


def _header_of(request: Request) -> HeaderLine | None:
    parts = request.get("header")
    if parts is None:
        return None
    left, middle, right = parts
    return left, middle, right


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer jobs from ``source`` on ``sink`` until ``source`` ends."""

    def note(reply: Reply) -> None:
        sink.write(pack(reply))
        sink.flush()

    while len(lengths := source.read(LENGTHS.size)) == LENGTHS.size:
        header_length, data_length = LENGTHS.unpack(lengths)
        request: Request = json.loads(source.read(header_length))
        data = source.read(data_length)
        try:
            reply, data = perform(request, data, note)
        except ImageError as error:
            reply, data = {"error": type(error).__name__, "message": str(error)}, b""
        except MemoryError:
            kind = DocumentError if request["job"] in ("inspect", "encode") else StoreError
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
    # A terminal and a service manager signal the whole group: the program ends its calls, and then this pipe.
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform != "win32":
        import resource

        if len(sys.argv) > 1:
            _, most = resource.getrlimit(resource.RLIMIT_AS)
            memory = int(sys.argv[1])
            if most != resource.RLIM_INFINITY:
                memory = min(memory, most)
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        if len(sys.argv) > 2:
            os.nice(int(sys.argv[2]))
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
