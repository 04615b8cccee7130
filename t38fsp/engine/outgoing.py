"""Creates the outgoing call of a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sip.line import CallRequest, SipLine
from sip.syntax.headers import NameAddress
from sip.syntax.uri import Uri, parse_uri
from sip.values import Hop
from t38fsp.call.driver import CallContext
from t38fsp.call.placing import PlacedCall, PollingCall, SendingCall
from t38fsp.choices import PaperSize
from t38fsp.cover import Cover, CoverPage
from t38fsp.engine.sip_lines import EngineLine
from t38fsp.header import CallHeader
from t38fsp.image.errors import DocumentChangedError, DocumentError
from t38fsp.image.fax import Fax, inspect_all
from t38fsp.image.pool import ImagePool
from t38fsp.jobs import OutgoingJob, PollJob, SendJob
from t38fsp.t30.dcs_choice import likely_mode
from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.vocabulary import PageFormat

_LETTER = 279.4
"""Length of the paper, millimetres."""
_ABOUT = 5.0
"""A page that differs by less is of that paper."""


async def fax_to_send(what: SendJob, images: ImagePool, store: str = "") -> Fax:
    """The documents and the cover page of a call that begins now. Pages are kept in ``store``, a directory,
    or where the job has them. Raises DocumentError, ImageWorkerError."""
    prepared = what.prepared
    store = store if prepared is None else prepared.store
    fax = await inspect_all(images, what.files, what.pages, what.password, store)
    # The pages were prepared from the files as they were then.
    if prepared is not None and tuple(each.identity for each in fax.documents) != prepared.identities:
        raise DocumentChangedError("a document was changed after it was prepared; prepare it again")
    if what.cover is not None:
        page = _cover_page(what, what.cover, fax)
        # After the documents, because the cover shows the number of their pages.
        fax = Fax([await images.inspect_cover(page, what.pages), *fax.documents], store)
    if (fault := what.resume.fault(len(fax.pages))) is not None:
        raise DocumentError(fault)
    return fax


async def first_page(what: SendJob, fax: Fax, header: CallHeader | None, images: ImagePool) -> None:
    """Wait until the first page is coded for the capabilities of most machines.

    For other capabilities it is coded again during the call; this one proves that it can be coded in time.
    Raises DocumentError, ImageWorkerError.
    """
    # The page that is sent first, which is not the first one when a fax is continued.
    index = what.resume.first_page - 1
    options = TransmitOptions(ecm=what.settings.ecm, max_rate=what.settings.max_rate)
    mode = likely_mode(fax.pages[index], options)
    try:
        line = None if header is None else header.line(index + 1)
        await images.prepare(*fax.place(index), mode, line, fax.store)
    except DocumentError as error:
        raise type(error)(fax.named(index, error)) from error


def request_for(
    what: OutgoingJob,
    line: EngineLine,
    hops: Sequence[Hop],
    other: Hop | None,
    routes: tuple[str, ...],
    media_address: str,
) -> CallRequest:
    """``hops`` is not empty; ``other`` is a hop of the address family other than the first one's."""
    return CallRequest(
        what.target,
        what.caller or str(Uri("sip", "fax", line.local_host(hops[0]))),
        hops,
        media_address,
        credentials=what.credentials,
        headers=what.headers,
        identity=what.identity,
        session_timers=what.session_timers,
        routes=routes,
        other_media_address=None if other is None else line.local_host(other),
    )


def outgoing_call(
    what: SendJob | PollJob,
    line: SipLine,
    request: CallRequest,
    pages: Sequence[PageFormat],
    context: CallContext,
) -> PlacedCall:
    """The call, not yet started; ``pages`` are those to send."""
    if isinstance(what, PollJob):
        return PollingCall(line, request, what.settings, context, what.poll)
    return SendingCall(
        line,
        request,
        pages,
        what.settings,
        context,
        resume=what.resume,
        addressing=what.addressing,
    )


def _cover_page(what: SendJob, cover: Cover, documents: Fax) -> CoverPage:
    """The cover of a call that begins now, on the paper of the first page after it."""
    paper, first = what.pages.paper, documents.pages[0]
    if paper is PaperSize.AUTO:
        millimetres = first.rows / first.resolution.y * 25.4
        paper = PaperSize.LETTER if abs(millimetres - _LETTER) < _ABOUT else PaperSize.A4
    pages = len(documents.pages) + 1
    now = datetime.now().astimezone()
    return cover.of_call(now, _sender(what), what.settings.station_id, _called(what), pages, paper)


def header_of(what: SendJob, pages: int) -> CallHeader | None:
    """The header lines of a call that begins now."""
    if what.header is None:
        return None
    now = datetime.now().astimezone()
    header = what.header if what.header.name else replace(what.header, name=_sender(what))
    return header.of_call(now, what.settings.station_id, _called(what), pages, what.pages.font)


def _sender(what: SendJob) -> str:
    """The name of the caller; empty if it has none."""
    named = what.caller is not None and "<" in what.caller
    return NameAddress.parse(str(what.caller)).display_name if named else ""


def _called(what: SendJob) -> str:
    target = parse_uri(what.target)
    # A URI without a user, such as that of an ATA, is shown by its host.
    return target.user or target.host
