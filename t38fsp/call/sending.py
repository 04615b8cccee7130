"""The calling end that sends the document: dial, wait for the switch, send, hang up."""

from __future__ import annotations

from collections.abc import Sequence

from sip.line import Line
from t38fsp.call.environment import CallEnvironment
from t38fsp.call.lessened import Losses
from t38fsp.call.placing import Destination, PlacedCall
from t38fsp.call.record import CallRecord
from t38fsp.jobs import NOBODY_ELSE, WHOLE, Addressing, CallSettings, Resume
from t38fsp.t30.options import TransmitOptions
from t38fsp.t30.outputs import Output, PageWanted
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import PageFormat


class SendingCall(PlacedCall):
    """Sends the pages described by ``pages``; they are asked for with :class:`PageWanted` as they travel.

    With ``resume`` the pages before its first one are left out, and count as they do there.
    """

    def __init__(
        self,
        line: Line,
        destination: Destination,
        pages: Sequence[PageFormat],
        settings: CallSettings,
        environment: CallEnvironment,
        *,
        resume: Resume = WHOLE,
        addressing: Addressing = NOBODY_ELSE,
    ) -> None:
        options = TransmitOptions(
            station_id=settings.station_id,
            ecm=settings.ecm,
            max_rate=settings.max_rate,
            sub_address=addressing.sub_address,
            sender_id=addressing.sender_id,
        )
        self._losses = Losses(pages)
        self._transmitter = Transmitter(pages, options, resume.first_page - 1)
        record = CallRecord(len(pages), resume.first_page - 1, resume.earlier)
        super().__init__(line, destination, self._transmitter, settings, environment, record)

    def proceed(self, go_on: bool, now: float) -> None:
        """The application's answer to Connected: DCS may go out, or the call ends (FS_USER_ABORT)."""
        if go_on:
            self._transmitter.proceed(now)
            self._pump(now)
        else:
            self.abort(now)

    def page_ready(self, request: int, data: bytes, now: float) -> None:
        self._transmitter.page_ready(request, data, now)
        self._pump(now)

    def page_failed(self, request: int, error: str, now: float) -> None:
        self._transmitter.page_failed(request, error, now)
        self._pump(now)

    def _start_session(self, now: float) -> None:
        self._transmitter.start(now)

    def _on_output(self, output: Output, now: float) -> None:
        if isinstance(output, PageWanted):
            if (warned := self._losses.of(output)) is not None:
                super()._on_output(warned, now)
            self._page_jobs.append(output)
        else:
            super()._on_output(output, now)
