"""One call on the wire: the asyncio surroundings of a FaxCall."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from sip.line import Address, LineEvent
from t38fsp.call.faxcall import FaxCall, PageJob, StorePage
from t38fsp.call.host import settle
from t38fsp.call.receiving import ReceivingCall
from t38fsp.call.sending import SendingCall
from t38fsp.engine.media import MediaPort
from t38fsp.engine.pacer import Pacer
from t38fsp.events import FaxEvent, Finished
from t38fsp.image.errors import ImageError
from t38fsp.image.pool import ImagePool
from t38fsp.t30.outputs import PageWanted
from t38fsp.t38.terminal import Packet

logger = logging.getLogger(__name__)


class RunningCall:
    """Hosts one FaxCall on a media port; ``file`` is the document sent, or the TIFF that grows."""

    def __init__(
        self,
        call: FaxCall,
        media: MediaPort,
        pacer: Pacer[Packet],
        images: ImagePool,
        file: str,
        observer: Callable[[FaxEvent], None],
        on_over: Callable[[], None],
    ) -> None:
        self.call = call
        self._media = media
        self._pacer = pacer
        self._images = images
        self._file = file
        self._observer = observer
        self._on_over = on_over
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._page_tasks: set[asyncio.Task[None]] = set()

    def line_event(self, event: LineEvent) -> None:
        self.call.line_event(event, self._loop.time())
        self.settle()

    def datagram_received(self, data: bytes) -> bool:
        accepted = self.call.datagram_received(data, self._loop.time())
        self.settle()
        return accepted

    def proceed(self, go_on: bool) -> None:
        if isinstance(self.call, SendingCall):
            self.call.proceed(go_on, self._loop.time())
            self.settle()

    def abort(self) -> None:
        self.call.abort(self._loop.time())
        self.settle()

    def settle(self) -> None:
        settle(self.call, self)

    def release(self, packet: Packet) -> bytes | None:
        return self.call.release(packet)

    # --- Host ----------------------------------------------------------------------------------------------

    def arm(self, deadline: float | None) -> None:
        if self._timer is not None:
            if self._timer.when() == deadline:
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._on_deadline)

    def set_remote(self, address: Address) -> None:
        self._media.set_remote(address)

    def send(self, datagram: bytes) -> None:
        self._media.send(datagram)

    def pace(self, packets: Sequence[Packet]) -> None:
        self._pacer.add(self, packets)

    def do(self, job: PageJob) -> None:
        task = self._loop.create_task(self._do(job))
        self._page_tasks.add(task)
        task.add_done_callback(self._page_tasks.discard)

    def report(self, event: FaxEvent) -> None:
        if isinstance(event, Finished):
            self._release_all()
        self._observer(event)

    def _release_all(self) -> None:
        self._pacer.remove(self)
        self._media.close()
        for task in self._page_tasks:
            task.cancel()
        self._on_over()

    def _on_deadline(self) -> None:
        self._timer = None
        self.call.handle_deadline(self._loop.time())
        self.settle()

    async def _do(self, job: PageJob) -> None:
        match self.call, job:
            case SendingCall() as call, PageWanted(request=request, index=index, mode=mode):
                try:
                    data = await self._images.encode_page(self._file, index, mode)
                except ImageError as error:
                    logger.error("page %d of %s cannot be coded: %s", index + 1, self._file, error)
                    call.page_failed(request, str(error), self._loop.time())
                else:
                    call.page_ready(request, data, self._loop.time())
            case ReceivingCall() as call, StorePage(index=index, mode=mode, data=data):
                try:
                    quality = await self._images.store_page(self._file, data, mode)
                except ImageError as error:
                    logger.error("page %d cannot be stored in %s: %s", index + 1, self._file, error)
                    call.page_not_stored(index, str(error), self._loop.time())
                else:
                    call.page_stored(index, quality, self._loop.time())
        self.settle()
