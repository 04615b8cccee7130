"""The FaxDev functions, as methods of one provider."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import NamedTuple

from sip.logs import get_logger
from sip.values import DialogId
from t38fsp.engine.host import ENGINE
from t38fsp.engine.remote import EngineProcess
from t38fsp.faxdev.constants import (
    E_FAIL,
    ERROR_BUSY,
    ERROR_FILE_EXISTS,
    ERROR_FILE_NOT_FOUND,
    ERROR_INSUFFICIENT_BUFFER,
    ERROR_INVALID_HANDLE,
    ERROR_INVALID_PARAMETER,
    ERROR_NOT_READY,
    ERROR_NOT_SUPPORTED,
    ERROR_OPEN_FAILED,
    FAXDEVREPORTSTATUS_SIZE,
    LINE_DEVSPECIFIC,
    S_OK,
)
from t38fsp.faxdev.devices import Devices
from t38fsp.faxdev.job import FaxJob, document_error
from t38fsp.faxdev.kernel32 import CompletionPort, SetLastError
from t38fsp.faxdev.settings import FaxDevSettings
from t38fsp.faxdev.structures import FAX_DEV_STATUS, FAX_RECEIVE, FAX_SEND, LINEMESSAGE
from t38fsp.header import Header
from t38fsp.jobs import EngineError, ReceiveJob, WaitingCall
from t38fsp.results import FaxResult
from t38fsp.settings.address import AddressError
from t38fsp.status import FaxStatus

_logger = get_logger(__name__)

PFAX_SEND_CALLBACK = Callable[[int, DialogId, int, int], bool]
"""FaxHandle, CallHandle, Reserved1, Reserved2. TRUE: continue; FALSE: end the operation."""
PFAX_LINECALLBACK = Callable[[int | None, int, int, int, int, int, int], None]
"""FaxHandle, hDevice, dwMessage, dwInstance, dwParam1, dwParam2, dwParam3."""

STATION_ID_LENGTH = 20
"""Characters of a TSI or CSI (T.30 5.3.6.2.4)."""
CALLER_LENGTH = 250
"""Characters kept of a caller or called number from an INVITE, so that a status always fits its buffer."""


class VirtualDevices(NamedTuple):
    """The result of FaxDevVirtualDeviceCreation: device i has the id DeviceIdPrefix + i."""

    DeviceCount: int
    DeviceNamePrefix: str
    DeviceIdPrefix: int


class _Announcements(NamedTuple):
    port: CompletionPort
    key: Hashable


class FaxServiceProvider:
    """One fax service provider with its engine process and its devices.

    ``engine`` names the engine class (``module:class``); ``clock`` gives monotonic seconds.
    """

    def __init__(
        self,
        settings: FaxDevSettings | None = None,
        *,
        engine: str = ENGINE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or FaxDevSettings()
        self._engine_name = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._handles = itertools.count(1)
        self._jobs: dict[int, FaxJob] = {}
        self._engine: EngineProcess | None = None
        self._devices = Devices(0, 1, 0.0)
        self._announcements: _Announcements | None = None
        self._address = ("", 0)

    def configure(self, settings: FaxDevSettings) -> None:
        """Ours: the settings, in place of the registry. Raises RuntimeError while the provider is
        initialised."""
        with self._lock:
            if self._engine is not None:
                raise RuntimeError("the provider is in use; call FaxDevShutdown before configure")
            self._settings = settings

    @property
    def address(self) -> tuple[str, int]:
        """Ours: the SIP address; ("", 0) while the provider is not initialised."""
        return self._address

    # --- the provider ---------------------------------------------------------------------------------------

    def FaxDevVirtualDeviceCreation(
        self, CompletionPort: CompletionPort, CompletionKey: Hashable
    ) -> VirtualDevices | None:
        """Present the devices. Incoming calls are announced at ``CompletionPort`` with ``CompletionKey``."""
        self._announcements = _Announcements(CompletionPort, CompletionKey)
        settings = self._settings
        return VirtualDevices(settings.device_count, settings.device_name_prefix, settings.device_id_prefix)

    def FaxDevInitialize(
        self, LineAppHandle: int = 0, HeapHandle: int = 0, FaxServiceCallback: object = None
    ) -> PFAX_LINECALLBACK | None:
        """Start the engine; returns the FaxLineCallback, or None on failure.

        GetLastError is ERROR_OPEN_FAILED if the engine cannot start, for example because the address is in
        use. A device takes no calls until FaxLineCallback enables it with LINE_DEVSPECIFIC.
        """
        settings = self._settings
        with self._lock:
            if self._engine is not None:
                SetLastError(ERROR_BUSY)
                return None
            self._engine = engine = EngineProcess(
                settings.engine,
                self._announce,
                self._withdraw,
                factory=self._engine_name,
            )
            self._devices = Devices(
                settings.device_count, settings.device_id_prefix, settings.own_end.take_limit
            )
            try:
                self._address = engine.start()
            # KeyboardInterrupt, too: the engine process must not outlive a start that failed.
            except BaseException as error:
                self._engine = None
                if not isinstance(error, EngineError):
                    raise
                _logger.error("%s", error)
                SetLastError(ERROR_OPEN_FAILED)
                return None
        return self.FaxLineCallback

    def FaxLineCallback(
        self,
        FaxHandle: int | None,
        hDevice: int,
        dwMessage: int,
        dwInstance: int,
        dwParam1: int,
        dwParam2: int,
        dwParam3: int,
    ) -> None:
        """LINE_DEVSPECIFIC: enable ``hDevice`` to receive (dwParam1) and to send (dwParam2)."""
        device = self._devices.find(hDevice)
        # Other messages are about TAPI lines, which a virtual device does not have.
        if dwMessage == LINE_DEVSPECIFIC and not FaxHandle and device is not None:
            self._devices.enable(device, receive=dwParam1 != 0, send=dwParam2 != 0)

    def FaxDevShutdown(self) -> int:
        """End all operations with FS_USER_ABORT; stop the engine. S_OK, or E_FAIL if it had to be killed."""
        with self._lock:
            engine, self._engine = self._engine, None
            self._address = ("", 0)
            jobs = list(self._jobs.values())
        for job in jobs:
            # The engine is closed afterwards in any case; a job that is cancelled first reports FS_USER_ABORT
            # rather than a lost line.
            job.cancel()
        return S_OK if engine is None or engine.close() else E_FAIL

    # --- jobs -----------------------------------------------------------------------------------------------

    def FaxDevStartJob(
        self,
        LineHandle: int,
        DeviceId: int,
        CompletionPortHandle: CompletionPort | None,
        CompletionKey: Hashable,
    ) -> int:
        """Begin a job on a device; returns its FaxHandle, or 0. Without a port no packets are posted."""
        device = self._devices.find(DeviceId)
        with self._lock:
            if self._engine is None:
                SetLastError(ERROR_NOT_READY)
                return 0
            if device is None:
                SetLastError(ERROR_INVALID_PARAMETER)
                return 0
            # Never 0, which is NULL: FaxDevStartJob returns it for failure.
            handle = next(self._handles)
            self._jobs[handle] = FaxJob(handle, device, CompletionPortHandle, CompletionKey)
        self._devices.start(device, handle)
        return handle

    def FaxDevSend(
        self, FaxHandle: int, FaxSend: FAX_SEND, FaxSendCallback: PFAX_SEND_CALLBACK | None = None
    ) -> bool:
        """Send a document; returns when the call is over. True only when every page was confirmed.

        All pages are sent, even if an earlier operation delivered some of them: the interface has no way to
        ask for the rest alone.
        ``FaxSendCallback`` is called on this thread when the call is established, with its dialog as the call
        handle; if it returns False or raises, the operation ends with FS_USER_ABORT. On failure the status
        (FaxDevReportStatus) decides about resending, and GetLastError has details.
        """
        job = self._begin(FaxHandle)
        if job is None:
            return False
        settings = self._settings
        if job.cancelled:
            return self._over(job, FaxResult(FaxStatus.USER_ABORT, "the job was aborted before it began"))
        # FS_LINE_UNAVAILABLE: the service then tries another device.
        if not self._devices.claim_to_send(job.device, job.handle, self._clock()):
            return self._over(job, _unavailable(f"device {job.device.id} is in use or may not send"))
        document = os.path.abspath(FaxSend.FileName)  # the engine process may have another current directory
        try:
            what = settings.send_job(document, FaxSend.ReceiverNumber)
        except AddressError as error:
            return self._over(job, FaxResult(FaxStatus.BAD_ADDRESS, str(error)))
        # The service hands over whatever its administrator typed, in any length: a fax must not
        # fail for that.
        number = _station_id(FaxSend.CallerNumber or what.settings.station_id)
        header = what.header or (Header() if FaxSend.Branding else None)
        if header is not None and FaxSend.CallerName:
            header = replace(header, name=FaxSend.CallerName)
        what = replace(what, settings=replace(what.settings, station_id=number), header=header)

        def verdict(dialog: DialogId) -> bool:
            if FaxSendCallback is None:
                return True
            try:
                return bool(FaxSendCallback(FaxHandle, dialog, 0, 0))
            except Exception:  # the service's code; a failure counts as FALSE
                _logger.exception("fax %d: FaxSendCallback failed; the call is ended", FaxHandle)
                return False

        try:
            remote = self._live_engine().send(what)
        except EngineError as error:
            return self._over(job, _unavailable(str(error)))
        result = job.follow(
            remote,
            answered=None,
            paging=FaxStatus.TRANSMITTING,
            verdict=verdict,
            on_call_event=settings.on_call_event,
        )
        bad_document = result.status is FaxStatus.BAD_DOCUMENT
        return self._over(job, result, document_error(document) if bad_document else None)

    def FaxDevReceive(self, FaxHandle: int, CallHandle: int, FaxReceive: FAX_RECEIVE) -> bool:
        """Receive the call that waits on the job's device into the existing file; returns when it is over.

        ``CallHandle`` is not used: at most one call waits on a virtual device, and only an announced call can
        be received. On success ``FaxReceive`` has our number and name.
        """
        job = self._begin(FaxHandle)
        if job is None:
            return False
        settings = self._settings
        call = self._devices.claim_to_receive(job.device, job.handle, self._clock())
        if call is None:
            reason = (
                f"no call is waiting on device {job.device.id}: the caller hung up, or no call was announced"
            )
            return self._over(job, _unavailable(reason), ERROR_NOT_SUPPORTED)
        job.identify(call.caller[:CALLER_LENGTH], _number(call.called)[:CALLER_LENGTH])
        if job.cancelled:
            self._refuse(call)
            return self._over(job, FaxResult(FaxStatus.USER_ABORT, "the job was aborted before it began"))
        if not os.path.isfile(FaxReceive.FileName):
            self._refuse(call)
            reason = f"{FaxReceive.FileName!r} does not exist; the service must create it"
            return self._over(job, FaxResult(FaxStatus.FATAL_ERROR, reason), ERROR_FILE_NOT_FOUND)
        # A file with pages in it may be another fax; pages of two callers must not meet in one file.
        if os.path.getsize(FaxReceive.FileName):
            self._refuse(call)
            reason = f"{FaxReceive.FileName!r} is not empty; the service must create it empty"
            return self._over(job, FaxResult(FaxStatus.FATAL_ERROR, reason), ERROR_FILE_EXISTS)
        number = _station_id(FaxReceive.ReceiverNumber or settings.call_settings.station_id)
        file = os.path.abspath(FaxReceive.FileName)
        call_settings = replace(settings.call_settings, station_id=number)
        try:
            # append: the service has created the file, empty, and expects the pages in it.
            job_of_engine = ReceiveJob(call.call, file, call_settings, append=True)
            remote = self._live_engine().receive(job_of_engine)
        except EngineError as error:
            return self._over(job, _unavailable(str(error)))
        result = job.follow(
            remote,
            answered=FaxStatus.ANSWERED,
            paging=FaxStatus.RECEIVING,
            # FaxDevReceive has no callback: the pages are taken as soon as they come.
            verdict=None,
            on_call_event=settings.on_call_event,
        )
        if result.completed:
            FaxReceive.ReceiverNumber = number
            FaxReceive.ReceiverName = (
                FaxReceive.ReceiverName or f"{settings.device_name_prefix}{job.device.id}"
            )
        return self._over(job, result)

    def FaxDevReportStatus(
        self, FaxHandle: int, FaxStatusSize: int = FAX_DEV_STATUS.SizeOfStruct + FAXDEVREPORTSTATUS_SIZE
    ) -> FAX_DEV_STATUS | None:
        """The status of the job; None with ERROR_INSUFFICIENT_BUFFER if it needs more than
        ``FaxStatusSize``."""
        job = self._job(FaxHandle)
        if job is None:
            return None
        status = job.status
        # The fax service has room for 4096 octets of strings, so the numbers of strangers are cut above.
        if status.SizeRequired > FaxStatusSize:
            SetLastError(ERROR_INSUFFICIENT_BUFFER)
            return None
        return status

    def FaxDevAbortOperation(self, FaxHandle: int) -> bool:
        """Request the end of the operation, or prevent one that has not begun; returns at once."""
        job = self._job(FaxHandle)
        if job is None:
            return False
        job.cancel()
        return True

    def FaxDevEndJob(self, FaxHandle: int) -> bool:
        """Forget the job and free its device. False with ERROR_BUSY while its operation runs."""
        with self._lock:
            job = self._jobs.get(FaxHandle)
            # Test only once: the operation may begin or end on another thread at any moment.
            over = job is not None and job.close()
            if over:
                del self._jobs[FaxHandle]
        if job is None or not over:
            SetLastError(ERROR_INVALID_HANDLE if job is None else ERROR_BUSY)
            return False
        # Outside our lock: Devices has its own, and neither is held while the other is taken.
        self._devices.end(job.device, FaxHandle)
        return True

    def GetJobResult(self, FaxHandle: int) -> FaxResult | None:
        """Ours: the full result of the operation, until FaxDevEndJob; None while it runs."""
        job = self._job(FaxHandle)
        return job.result if job is not None else None

    # --- internals ------------------------------------------------------------------------------------------

    def _job(self, handle: int) -> FaxJob | None:
        with self._lock:
            job = self._jobs.get(handle)
        if job is None:
            SetLastError(ERROR_INVALID_HANDLE)
        return job

    def _begin(self, handle: int) -> FaxJob | None:
        job = self._job(handle)
        if job is None or job.begin():
            return job
        SetLastError(ERROR_INVALID_PARAMETER)
        return None

    def _over(self, job: FaxJob, result: FaxResult, error: int | None = None) -> bool:
        result = job.finish(result, error)
        if not result.completed:
            SetLastError(job.status.ErrorCode)
        return result.completed

    def _live_engine(self) -> EngineProcess:
        engine = self._engine
        if engine is None:
            raise EngineError("the provider was shut down")
        return engine

    def _refuse(self, call: WaitingCall) -> None:
        engine = self._engine
        if engine is not None:
            engine.refuse(call.call)

    def _announce(self, call: WaitingCall) -> None:
        """Let an incoming call wait on an idle device and notify the service; refuse it if there is none."""
        announcements = self._announcements
        # Without FaxDevVirtualDeviceCreation there is no port at which the call could be announced.
        device = self._devices.offer(call, self._clock()) if announcements is not None else None
        if announcements is None or device is None:
            self._refuse(call)
            return
        # The service learns of a call by this message, and takes it with FaxDevReceive.
        message = LINEMESSAGE(device.id)
        announcements.port.post(message.SizeOfStruct, announcements.key, message)

    def _withdraw(self, call: int) -> None:
        self._devices.withdraw(call)


def _unavailable(reason: str) -> FaxResult:
    return FaxResult(FaxStatus.LINE_UNAVAILABLE, reason, retry=True, retry_reason="another line may be free")


def _station_id(text: str) -> str:
    """``text`` shortened to fit a TSI or CSI: printable ASCII; a long number loses its separators first."""
    text = "".join(character for character in text if " " <= character <= "~")
    if len(text) > STATION_ID_LENGTH:
        text = "".join(character for character in text if character not in " ()-./")
    return text[:STATION_ID_LENGTH]


def _number(uri: str) -> str:
    """The user part of a SIP URI."""
    return uri.partition(":")[2].partition("@")[0].partition(";")[0]
