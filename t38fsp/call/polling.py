"""The calling end that fetches a document: dial, wait for the switch, ask for it, take the pages, hang up."""

from __future__ import annotations

from sip.line import Line
from t38fsp.call.environment import CallEnvironment
from t38fsp.call.intake import PageIntake
from t38fsp.call.placing import Destination, PlacedCall
from t38fsp.call.record import CallRecord
from t38fsp.jobs import CallSettings
from t38fsp.t30.options import PollOptions, ReceiveOptions
from t38fsp.t30.outputs import Output
from t38fsp.t30.polling import Poller
from t38fsp.t30.vocabulary import PageQuality


class PollingCall(PlacedCall):
    """Fetches the document that the called end has ready; its pages come up as :class:`StorePage` jobs."""

    def __init__(
        self,
        line: Line,
        destination: Destination,
        settings: CallSettings,
        environment: CallEnvironment,
        poll: PollOptions | None = None,
    ) -> None:
        options = ReceiveOptions(station_id=settings.station_id, ecm=settings.ecm, max_rate=settings.max_rate)
        self._poller = Poller(options, poll)
        record = CallRecord(polled=True)
        super().__init__(line, destination, self._poller, settings, environment, record)
        self._intake = PageIntake(self._poller, options, settings)

    def page_stored(self, index: int, quality: PageQuality, now: float) -> None:
        self._record.bad_rows[index] = quality.bad_rows
        self._poller.page_stored(index, quality, now)
        self._pump(now)

    def page_not_stored(self, index: int, error: str, now: float) -> None:
        self._poller.page_not_stored(index, error, now)
        self._pump(now)

    def _start_session(self, now: float) -> None:
        self._poller.start(now)

    def _on_output(self, output: Output, now: float) -> None:
        self._page_jobs += self._intake.take(output, self._lost, now)
        super()._on_output(output, now)
