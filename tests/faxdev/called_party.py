"""FaxDevSend to SIPp as the called party, and all that the service sees of it."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sip.values import DialogId
from t38fsp.events import Connected, Disconnected, Ringing
from t38fsp.faxdev import (
    FAX_DEV_STATUS,
    FAX_SEND,
    FS_BAD_ADDRESS,
    FS_CALL_BLACKLISTED,
    FS_COMPLETED,
    FS_DIALING,
    FS_INITIALIZING,
    FS_USER_ABORT,
    NO_ERROR,
    PFAX_SEND_CALLBACK,
    CallEvent,
    CompletionPort,
    FaxDevSettings,
    FaxServiceProvider,
    GetLastError,
)
from t38fsp.jobs import EngineSettings
from t38fsp.results import FaxResult
from t38fsp.status import FaxStatus
from tests.peers.sip_peer import Address, SippPeer

SCENARIOS = Path(__file__).with_name("scenarios")
HOST = "127.0.0.1"
PATIENCE = 120.0
DEVICES = 24
NEVER_AGAIN = {FS_COMPLETED, FS_BAD_ADDRESS, FS_CALL_BLACKLISTED, FS_USER_ABORT}
"""After any other status the service sends the fax again, unless it asks whether that is of use."""
_OUR_ACK = re.compile(
    r"^ACK sip:.*^From: .*;tag=(?P<ours>\S+)$.*^To: .*;tag=(?P<theirs>\S*sipp)$.*^Call-ID: (?P<call>\S+)$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Outcome:
    """What the service saw of one FaxDevSend."""

    success: bool
    error: int
    status: FAX_DEV_STATUS
    packets: list[FAX_DEV_STATUS]
    result: FaxResult
    call_handles: list[DialogId]
    call_events: list[CallEvent]

    def assert_is(self, status: FaxStatus, sip_status: int | None, why: str, *, final: bool = False) -> None:
        """Every way in which the service learns of the end says the same; ``final``: and for good."""
        assert self.result.status is status, self.result.reason
        assert self.success is (status is FS_COMPLETED)
        assert (self.error == NO_ERROR) is self.success
        assert (self.status.StatusId, self.status.ErrorCode) == (status, self.error)
        assert self.packets[-1] == self.status
        assert [packet.StatusId for packet in self.packets[:2]] == [FS_INITIALIZING, FS_DIALING]
        assert self.result.sip_status == sip_status
        assert self.result.retry is (not final and status not in NEVER_AGAIN)
        assert self.result.retry_reason
        assert why in self.result.reason

    def assert_call_is(self, dialog: DialogId) -> None:
        """The service was told of this call: once by FaxSendCallback, and in every event from then on."""
        assert self.call_handles == [dialog]
        assert self.result.dialog == dialog
        established = [event for event in self.call_events if not isinstance(event.event, Ringing)]
        assert isinstance(established[0].event, Connected)
        assert isinstance(established[-1].event, Disconnected)
        assert {event.CallHandle for event in established} == {dialog}

    def kinds(self) -> list[type]:
        return [type(event.event) for event in self.call_events]


class Job:
    """One FaxDevSend, on a device of its own."""

    def __init__(
        self, service: Service, device: int, document: Path, to: Address, callback: PFAX_SEND_CALLBACK
    ) -> None:
        self._service = service
        self._callback = callback
        self._fax = FAX_SEND(FileName=str(document), ReceiverNumber=f"sip:+15550199@{to[0]}:{to[1]}")
        self._call_handles: list[DialogId] = []
        self._packets: list[FAX_DEV_STATUS] = []
        self._port = CompletionPort()
        self.handle = service.fsp.FaxDevStartJob(0, device, self._port, "job")

    def send(self) -> Outcome:
        """Blocks until the call is over, as the function does."""
        fsp = self._service.fsp
        success = fsp.FaxDevSend(self.handle, self._fax, self._established)
        error = NO_ERROR if success else GetLastError()
        status, result = fsp.FaxDevReportStatus(self.handle), fsp.GetJobResult(self.handle)
        while (packet := self._port.get(0)) is not None:
            self._packets.append(packet.Overlapped)
        assert fsp.FaxDevEndJob(self.handle)
        events = self._service.call_events[self.handle]
        return Outcome(success, error, status, self._packets, result, self._call_handles, events)

    def wait_for(self, status: FaxStatus) -> None:
        """Wait, on another thread than ``send``, for a status packet."""
        while not self._packets or self._packets[-1].StatusId is not status:
            packet = self._port.get(PATIENCE)
            assert packet is not None, f"{status.name} is never reported"
            self._packets.append(packet.Overlapped)

    def wait_until_ringing(self) -> None:
        """Wait, on another thread than ``send``, until the service was told that it rings."""
        with self._service.told:
            assert self._service.told.wait_for(lambda: self._service.call_events[self.handle], PATIENCE)

    def abort(self) -> None:
        assert self._service.fsp.FaxDevAbortOperation(self.handle)

    def _established(self, fax: int, call: DialogId, *reserved: int) -> bool:
        assert (fax, reserved) == (self.handle, (0, 0))
        self._call_handles.append(call)
        return self._callback(fax, call, *reserved)


class Service:
    """A fax service with one provider; its jobs take the devices in turn."""

    def __init__(self, document: Path, **settings: object) -> None:
        self.call_events: defaultdict[int, list[CallEvent]] = defaultdict(list)
        self.told = threading.Condition()
        """Notified of each call event."""
        self.fsp = FaxServiceProvider(
            FaxDevSettings(
                own_end=EngineSettings((HOST, 0)),
                device_count=DEVICES,
                on_call_event=self._note,
                **settings,
            )
        )
        self._document = document
        self._devices = itertools.cycle(range(DEVICES))
        assert self.fsp.FaxDevInitialize() is not None

    def _note(self, event: CallEvent) -> None:
        with self.told:
            self.call_events[event.FaxHandle].append(event)
            self.told.notify_all()

    def job(self, to: Address, callback: PFAX_SEND_CALLBACK = lambda *_: True) -> Job:
        return Job(self, next(self._devices), self._document, to, callback)

    def send(self, to: Address, callback: PFAX_SEND_CALLBACK = lambda *_: True) -> Outcome:
        return self.job(to, callback).send()


@contextlib.contextmanager
def running(document: Path, **settings: object) -> Iterator[Service]:
    service = Service(document, **settings)
    try:
        yield service
    finally:
        service.fsp.FaxDevShutdown()


def sipp(scenario: str, directory: Path, udptl_port: int = 9, **words: str) -> SippPeer:
    """SIPp with a scenario of ours; its ``wait`` fails unless every message came that it expects.

    ``words`` stand for [WORD] in the scenario; SIPp's own keys cannot, for it wants to know a status at once.
    """
    directory.mkdir(exist_ok=True)
    text = (SCENARIOS / f"{scenario}.xml").read_text("utf-8")
    for word, value in words.items():
        text = text.replace(f"[{word}]", value)
    path = directory / f"{scenario}.xml"
    path.write_text(text, "utf-8")
    return SippPeer(path, directory, udptl_port)


def dialog_of(peer: SippPeer) -> DialogId:
    """The dialog of our last ACK as SIPp logged it."""
    for message in reversed(re.split(r"^-{20,}.*$", peer.messages, flags=re.M)):
        found = _OUR_ACK.search(message)
        if found is not None:
            return DialogId(found["call"], found["ours"], found["theirs"])
    raise AssertionError("SIPp saw no ACK of ours")
