"""A worker process: ``python -m t38fsp.image.worker [OCTETS [NICENESS]]`` does jobs from its pipe, one at a
time.

OCTETS limits its memory, NICENESS lowers its priority. It ends when its input ends, so it never outlives the
process that started it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sip.ipc.codec import WireError
from sip.ipc.pipes import (
    leave_signals_to_the_program,
    limit_this_process,
    read_messages,
    take_standard_streams,
)
from t38fsp.image.coder import encode_burst
from t38fsp.image.convert import convert
from t38fsp.image.document import Facts, KnownPage, encode_known_page, is_tiff, structure
from t38fsp.image.errors import ImageError, NotFaxError
from t38fsp.image.exact import count_rows, decode_strip
from t38fsp.image.growing import complete, create, discard
from t38fsp.image.overrun import MOST_SECONDS, without_memory
from t38fsp.image.room import check_room
from t38fsp.image.store import finish, store_page
from t38fsp.image.tiff import TiffPage
from t38fsp.image.values import identity_of
from t38fsp.image.wire import (
    CODEC,
    CheckRoom,
    Complete,
    Completed,
    Convert,
    Create,
    Created,
    Discard,
    Done,
    Draw,
    Encode,
    Encoded,
    Finish,
    Grows,
    Inspect,
    InspectCover,
    Inspected,
    Message,
    PageFields,
    Prove,
    Refused,
    Reply,
    Request,
    Store,
    Stored,
)
from t38fsp.page_settings import PageSettings
from t38fsp.t30.vocabulary import Coding, PageFormat, PageMode, Resolution

_PROOF = PageMode(Coding.MMR, 1728, Resolution.R8_FINE, ecm=True, bit_rate=14400)
_PROOF_ROWS = 2300
"""Rows of an ordinary page, for the self-test."""
_PROOF_PAGE = PageFormat(_PROOF.width, _PROOF_ROWS, _PROOF.resolution)


def perform(request: Request, note: Callable[[Grows], None]) -> Reply:
    """Do one job; ``note`` takes what a second attempt needs if this one does not complete.

    Raises :class:`ImageError`.
    """
    match request:
        case Prove():
            _prove()
        case Inspect(path, settings, password):
            return _inspected(path, settings, password)
        case InspectCover() | Convert() | Draw():
            return _drawn(request)
        case Encode(path, identity, number, place, lengths, known, mode, header):
            page = KnownPage(identity, number, place, lengths, Facts(known))
            data, facts = encode_known_page(path, page, mode, header)
            return Encoded(data, facts.value)
        case CheckRoom(path, append):
            check_room(path, append)
        case Create(path, append):
            return Created(create(path, append))
        case Store(path, data, mode, only, counted, last, since):

            def on_size(octets: int) -> None:
                note(Grows(octets))

            quality, stored = store_page(
                path, data, mode, only, counted=counted, last=last, since=since, on_size=on_size
            )
            return Stored(quality, stored)
        case Finish(path, total, only):
            finish(path, total, only)
        case Complete(path, growing):
            return Completed(complete(growing, path))
        case Discard(path, growing):
            discard(growing, path)
    return Done()


def _prove() -> None:
    """Convert, code and decode a page, as the jobs will. Raises ImageError."""
    try:
        white = bytes(_PROOF.width // 8 * _PROOF_ROWS)
        convert(white, _PROOF_PAGE, _PROOF.width, Resolution.R8_STANDARD)
        burst = encode_burst(white, _PROOF)
        rows = count_rows(burst, _PROOF.width, _PROOF.resolution)
        pixels = decode_strip(burst, _PROOF.coding, _PROOF.width, _PROOF_ROWS)
    except (OSError, MemoryError) as error:  # Pillow reports a lack of memory as OSError
        raise ImageError(f"there is too little memory for an ordinary page: {error}") from error
    if rows != _PROOF_ROWS or pixels != white:
        raise ImageError("Pillow does not decode the page that it coded; reinstall it")


# Only on use: what documents other than TIFF-F need takes as long to import as all the rest.


def _drawn(request: InspectCover | Convert | Draw) -> Reply:
    from t38fsp.image.rendered import DrawnPage, converted, encode_drawn, inspect_cover

    match request:
        case InspectCover(cover, settings):
            return inspect_cover(cover, settings)
        case Convert(path, identity, into):
            return Completed(converted(path, identity, into))
        case Draw(path, identity, number, resolution, mode, header, settings, password, store, cover):
            drawn = DrawnPage(identity, number, resolution, settings, password, cover)
            page = encode_drawn(path, drawn, mode, header, store)
            return Encoded(page.octets, simplified=page.simplified, rows=page.rows)


def _inspected(path: str, settings: PageSettings, password: str | None) -> Inspected:
    # First as a fax, which needs no drawing; a TIFF of another kind is a picture like any other.
    if is_tiff(path):
        try:
            identity, pages = structure(path)
        except NotFaxError:
            pass  # a picture
        else:
            return Inspected(identity, tuple(map(_fields_of, pages)))
    from t38fsp.documents.office_kinds import is_office
    from t38fsp.documents.opening import beginning
    from t38fsp.image.rendered import inspect_drawn

    if is_office(beginning(path)):
        return Inspected(identity_of(os.stat(path)), (), is_fax=False, is_office=True)
    return inspect_drawn(path, settings, password)


def _fields_of(page: TiffPage) -> PageFields:
    shown = page.format
    return shown.width, shown.rows, shown.resolution, page.place, page.computed_lengths


def serve(requests: int, replies: int, memory: int) -> None:
    """Read requests from one descriptor and write replies to the other, until the input ends. ``memory`` is
    the limit of this process, octets. Raises WireError."""
    with open(replies, "wb") as sink:

        def write(message: Message) -> None:
            sink.write(CODEC.encode(message))
            sink.flush()

        for request in read_messages(requests, CODEC):
            if not isinstance(request, Request):
                raise WireError(f"a {type(request).__name__} is not a request")
            try:
                with _time_limit(request):
                    reply = perform(request, write)
            except ImageError as error:
                reply = Refused(_kind_of(error).__name__, str(error))
            # The process has little left but is sound: what the job allocated is freed with its frames.
            except MemoryError:
                too_much = without_memory(request, memory)
                reply = Refused(type(too_much).__name__, str(too_much))
            write(reply)


def _kind_of(error: ImageError) -> type[ImageError]:
    """The class that the program knows: rooms above have finer ones of their own."""
    return next(kind for kind in type(error).__mro__ if kind.__module__ == ImageError.__module__)


@contextmanager
def _time_limit(request: Request) -> Iterator[None]:
    """End this process if a document takes it too much processor time: libraries cannot be interrupted."""
    seconds = MOST_SECONDS.get(type(request), 0.0)
    if not seconds or sys.platform == "win32":
        yield
        return
    # ITIMER_PROF counts processor time; SIGPROF, which no library handles, ends the process, and Workers
    # reads the reason from its status.
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)


def _silence_libtiff() -> None:
    """Keep standard error for Python: libtiff writes a line directly for each row that it cannot read."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)


def main() -> None:
    _silence_libtiff()
    requests, replies = take_standard_streams()
    leave_signals_to_the_program()
    # The limit of its children is another one (t38fsp.documents.office_sandbox).
    memory, niceness = (*map(int, sys.argv[1:3]), 0, 0)[:2]
    limit_this_process(memory, niceness)
    serve(requests, replies, memory)


if __name__ == "__main__":
    main()
