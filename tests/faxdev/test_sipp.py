"""SIPp as the called party: what FaxDevSend returns and reports, through the real engine process."""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from sip.values import DialogId
from t38fsp.choices import Audio, Switch
from t38fsp.events import Connected, Disconnected, Ringing, SwitchedToT38
from t38fsp.faxdev import (
    FS_BAD_ADDRESS,
    FS_BUSY,
    FS_CALL_BLACKLISTED,
    FS_COMPLETED,
    FS_DIALING,
    FS_DISCONNECTED,
    FS_FATAL_ERROR,
    FS_INITIALIZING,
    FS_LINE_UNAVAILABLE,
    FS_NO_ANSWER,
    FS_NOT_FAX_CALL,
    FS_TRANSMITTING,
    FS_USER_ABORT,
)
from t38fsp.outcome import Outcome as Kind
from t38fsp.settings.route import Route
from t38fsp.status import FaxStatus
from tests.faxdev.called_party import HOST, PATIENCE, Job, Outcome, Service, dialog_of, running, sipp
from tests.peers.libtiff import assert_same_pages
from tests.peers.machine import Role
from tests.peers.pages import text_page, write_document
from tests.peers.programs import vacant
from tests.peers.realtime import RealTimePeer, udp_socket
from tests.peers.sip_peer import SippPeer, answerer
from tests.peers.terminal import SpandspTerminal

pytestmark = pytest.mark.sipp

ABORT_LIMIT = 20.0
"""Seconds that tell an end in good order (3 by contract: tests/call/test_abort.py) from one by Timer B."""
ALICE = Route(user="alice", password="secret")
DIGEST = 'Authenticate: Digest realm="sipp", nonce="8dd7a7cb", algorithm=MD5, qop="auth"'


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One page with little on it."""
    page = text_page(rows=120, noise_rows=0)
    return write_document(tmp_path_factory.mktemp("sipp") / "sent.tif", [page])


@pytest.fixture(scope="module")
def service(document: Path) -> Iterator[Service]:
    with running(document) as with_default_settings:
        yield with_default_settings


# --- the INVITE comes to nothing ----------------------------------------------------------------------------

REFUSALS = [
    ("486 Busy Here", None, FS_BUSY, Kind.BUSY, False),
    ("600 Busy Everywhere", None, FS_BUSY, Kind.BUSY, False),
    ("404 Not Found", None, FS_BAD_ADDRESS, Kind.BAD_NUMBER, True),
    ("410 Gone", None, FS_BAD_ADDRESS, Kind.BAD_NUMBER, True),
    ("484 Address Incomplete", None, FS_BAD_ADDRESS, Kind.BAD_NUMBER, True),
    ("604 Does Not Exist Anywhere", None, FS_BAD_ADDRESS, Kind.BAD_NUMBER, True),
    ("480 Temporarily Unavailable", None, FS_NO_ANSWER, Kind.NO_ANSWER, False),
    ("408 Request Timeout", None, FS_NO_ANSWER, Kind.NO_ANSWER, False),
    ("487 Request Terminated", None, FS_NO_ANSWER, Kind.NO_ANSWER, False),
    ("403 Forbidden", None, FS_LINE_UNAVAILABLE, Kind.FORBIDDEN, True),
    ("500 Server Internal Error", None, FS_LINE_UNAVAILABLE, Kind.UNAVAILABLE, False),
    ("503 Service Unavailable", None, FS_LINE_UNAVAILABLE, Kind.UNAVAILABLE, False),
    ("488 Not Acceptable Here", None, FS_FATAL_ERROR, Kind.NOT_CARRIED, True),
    ("606 Not Acceptable", None, FS_FATAL_ERROR, Kind.NOT_CARRIED, True),
    ("603 Decline", None, FS_FATAL_ERROR, Kind.DECLINED, True),
    # The cause of the network behind the peer says more than its status.
    ("404 Not Found", 34, FS_LINE_UNAVAILABLE, Kind.UNAVAILABLE, False),
    ("403 Forbidden", 21, FS_FATAL_ERROR, Kind.DECLINED, True),
    ("403 Forbidden", 54, FS_CALL_BLACKLISTED, Kind.BARRED, True),
    ("503 Service Unavailable", 1, FS_BAD_ADDRESS, Kind.BAD_NUMBER, True),
    ("500 Server Internal Error", 28, FS_BAD_ADDRESS, Kind.BAD_NUMBER, True),
    ("503 Service Unavailable", 17, FS_BUSY, Kind.BUSY, False),
    ("480 Temporarily Unavailable", 1, FS_BAD_ADDRESS, Kind.BAD_NUMBER, True),
    ("603 Decline", 19, FS_NO_ANSWER, Kind.NO_ANSWER, False),
    ("503 Service Unavailable", 79, FS_FATAL_ERROR, Kind.NOT_CARRIED, True),
]
"""What the peer says, with which cause; the status and the kind of the outcome, and whether it is final."""


def refusing(directory: Path, answer: str, cause: int | None = None) -> SippPeer:
    header = "Server: sipp" if cause is None else f"Reason: Q.850;cause={cause}"
    return sipp("refuses", directory, answer=answer, header=header)


def assert_refused(
    outcome: Outcome, answer: str, cause: int | None, status: FaxStatus, kind: Kind, *, final: bool = False
) -> None:
    why = "" if cause is None else f"(Q.850 cause {cause}"
    outcome.assert_is(status, int(answer[:3]), why, final=final)
    assert outcome.result.outcome is kind
    assert f"SIP {answer}" in outcome.result.reason
    assert outcome.result.cause == cause
    assert [packet.StatusId for packet in outcome.packets] == [FS_INITIALIZING, FS_DIALING, status]
    assert (outcome.call_handles, outcome.call_events, outcome.result.dialog) == ([], [], None)


@pytest.mark.parametrize(("answer", "cause", "status", "kind", "final"), REFUSALS)
def test_refused(
    service: Service,
    tmp_path: Path,
    answer: str,
    cause: int | None,
    status: FaxStatus,
    kind: Kind,
    final: bool,
) -> None:
    with refusing(tmp_path, answer, cause) as peer:
        assert_refused(service.send(peer.address), answer, cause, status, kind, final=final)
        peer.wait()


def test_refused_in_every_way_at_once(service: Service, tmp_path: Path) -> None:
    """Each thread hears of its own call."""
    with contextlib.ExitStack() as peers, ThreadPoolExecutor(len(REFUSALS)) as threads:
        called = [
            peers.enter_context(refusing(tmp_path / str(number), answer, cause))
            for number, (answer, cause, *_) in enumerate(REFUSALS)
        ]
        outcomes = list(threads.map(service.send, [peer.address for peer in called]))
        for outcome, peer, (answer, cause, status, kind, final) in zip(
            outcomes, called, REFUSALS, strict=True
        ):
            assert_refused(outcome, answer, cause, status, kind, final=final)
            peer.wait()


@pytest.mark.parametrize(
    ("answer", "header"),
    [
        ("401 Unauthorized", f"WWW-{DIGEST}"),
        ("407 Proxy Authentication Required", f"Proxy-{DIGEST}"),
    ],
    ids=["401", "407"],
)
class TestChallenged:
    def test_without_credentials(self, service: Service, tmp_path: Path, answer: str, header: str) -> None:
        with sipp("refuses", tmp_path, answer=answer, header=header) as peer:
            outcome = service.send(peer.address)
            peer.wait()
        assert_refused(outcome, answer, None, FS_LINE_UNAVAILABLE, Kind.CREDENTIALS, final=True)

    def test_with_wrong_ones(self, document: Path, tmp_path: Path, answer: str, header: str) -> None:
        with (
            sipp("challenges_twice", tmp_path, answer=answer, header=header) as peer,
            running(document, route=Route(user="alice", password="wrong")) as service,
        ):
            outcome = service.send(peer.address)
            peer.wait()
        assert_refused(outcome, answer, None, FS_LINE_UNAVAILABLE, Kind.CREDENTIALS, final=True)


def test_t38_in_the_first_invite_is_refused_and_so_is_audio_in_the_second(
    document: Path, tmp_path: Path
) -> None:
    answer = "488 Not Acceptable Here"
    with (
        sipp("refuses_all_media", tmp_path, answer=answer) as peer,
        running(document, route=Route(switch=Switch.FIRST)) as service,
    ):
        outcome = service.send(peer.address)
        peer.wait()
    assert_refused(outcome, answer, None, FS_FATAL_ERROR, Kind.NOT_CARRIED, final=True)
    assert "choose another switch policy" in outcome.result.retry_reason


def test_it_rings_and_nobody_answers(document: Path, tmp_path: Path) -> None:
    with (
        sipp("rings", tmp_path) as peer,
        running(document, route=Route(ring_limit=3.0)) as service,
    ):
        outcome = service.send(peer.address)
        peer.wait()
    outcome.assert_is(FS_NO_ANSWER, 487, "not answered within 3 seconds")
    assert (outcome.kinds(), outcome.call_handles) == ([Ringing], [])


def test_nobody_listens_there(service: Service) -> None:
    with vacant() as nobody:
        outcome = service.send(nobody)
    outcome.assert_is(FS_LINE_UNAVAILABLE, 503, "check its address")


# --- aborted ------------------------------------------------------------------------------------------------


def aborted(job: Job, ready: Callable[[], object]) -> Outcome:
    """Abort the job once ``ready`` returns, and time it."""
    with ThreadPoolExecutor(1) as threads:
        sending = threads.submit(job.send)
        ready()
        before = time.monotonic()
        job.abort()
        outcome = sending.result(PATIENCE)
        assert time.monotonic() - before < ABORT_LIMIT
    return outcome


def test_aborted_while_ringing(service: Service, tmp_path: Path) -> None:
    with sipp("rings", tmp_path) as peer:
        job = service.job(peer.address)
        # Not when the peer has sent its 180: an abort before that arrives makes it no event.
        outcome = aborted(job, job.wait_until_ringing)
        peer.wait()
    outcome.assert_is(FS_USER_ABORT, 487, "cancelled")
    assert (outcome.kinds(), outcome.call_handles) == ([Ringing], [])


def test_aborted_before_any_response(service: Service) -> None:
    with udp_socket() as silent:
        job = service.job(silent.getsockname())
        outcome = aborted(job, lambda: silent.recv(2048))
    outcome.assert_is(FS_USER_ABORT, None, "cancelled")


def test_the_callback_says_no(service: Service, tmp_path: Path) -> None:
    with sipp("answers", tmp_path) as peer:
        outcome = service.send(peer.address, lambda *_: False)
        peer.wait()
        dialog = dialog_of(peer)
    outcome.assert_is(FS_USER_ABORT, 200, "cancelled")
    outcome.assert_call_is(dialog)
    assert outcome.kinds() == [Ringing, Connected, Disconnected]


# --- answered -----------------------------------------------------------------------------------------------


def test_the_far_end_hangs_up_in_audio(service: Service, tmp_path: Path) -> None:
    with sipp("hangs_up", tmp_path) as peer:
        outcome = service.send(peer.address)
        peer.wait()
        dialog = dialog_of(peer)
    outcome.assert_is(FS_DISCONNECTED, 200, "hung up before the switch to T.38")
    outcome.assert_call_is(dialog)
    assert outcome.call_events[-1].event == Disconnected(dialog, remote=True)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (None, "hung up before the fax was over (T.30"),
        ("Q.850;cause=58", "(Q.850 cause 58)"),
        ('Q.850;cause=58;text="Bearer capability"', '(Q.850 cause 58, "Bearer capability")'),
    ],
)
def test_the_far_end_hangs_up_after_the_switch(
    service: Service, tmp_path: Path, reason: str | None, told: str
) -> None:
    """What the network says with its BYE stands in the sentence."""
    with (
        udp_socket() as media,
        answerer(tmp_path, media.getsockname()[1], bye_reason=reason) as peer,
        ThreadPoolExecutor(1) as threads,
    ):
        sending = threads.submit(service.send, peer.address)
        peer.expect("call")
        peer.expect("image")
        peer.hang_up()
        outcome = sending.result(PATIENCE)
        peer.wait()
        dialog = dialog_of(peer)
    outcome.assert_is(FS_DISCONNECTED, 200, told)
    outcome.assert_call_is(dialog)
    assert SwitchedToT38 in outcome.kinds()


# --- whole faxes, to spandsp's terminal; all at once, for each takes its time on the line -------------------


@dataclass(frozen=True)
class Fax:
    """A fax to SIPp and spandsp: what the service saw, and what they did."""

    outcome: Outcome
    dialog: DialogId
    udptl_ports: list[str]
    """Ours, as SIPp was told at each switch."""
    messages: str
    received: Path


def fax_to(
    service: Service, directory: Path, scenario: str | None, *, switches: int = 1, cut: bool = False
) -> Fax:
    """Send; with ``cut`` the far end hangs up once a page is on the line."""
    directory.mkdir()
    received = directory / "received.tif"
    machine = RealTimePeer(SpandspTerminal(Role.ANSWERING, rx_file=received), udp_socket())
    port = machine.address[1]
    try:
        with (
            answerer(directory, port) if scenario is None else sipp(scenario, directory, port) as peer,
            ThreadPoolExecutor(1) as threads,
        ):
            job = service.job(peer.address)
            sending = threads.submit(job.send)
            peer.expect("call")
            ports = peer.expect("image")
            machine.connect((HOST, int(ports[0])))
            machine.start()
            for _ in range(switches - 1):
                ports += peer.expect("image")
            if cut:
                job.wait_for(FS_TRANSMITTING)
                peer.hang_up()
            outcome = sending.result(PATIENCE)
            peer.wait()
            return Fax(outcome, dialog_of(peer), ports, peer.messages, received)
    finally:
        machine.stop()


@pytest.fixture(scope="module")
def faxes(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Fax]]]:
    directory = tmp_path_factory.mktemp("faxes")
    with (
        running(document, route=ALICE) as callee,
        running(document, route=Route(switch=Switch.FIRST)) as first,
        ThreadPoolExecutor(4) as threads,
    ):
        yield {
            "challenged": threads.submit(fax_to, callee, directory / "a", "challenges_and_switches"),
            "refreshed": threads.submit(fax_to, callee, directory / "b", "switches_twice", switches=2),
            "at once": threads.submit(fax_to, first, directory / "c", "fax_at_once"),
            "cut": threads.submit(fax_to, callee, directory / "d", None, cut=True),
        }


def assert_arrived(fax: Fax, document: Path) -> None:
    fax.outcome.assert_is(FS_COMPLETED, 200, "1 page was sent and confirmed")
    fax.outcome.assert_call_is(fax.dialog)
    statuses = [(packet.StatusId, packet.PageCount) for packet in fax.outcome.packets]
    assert statuses[2:] == [(FS_TRANSMITTING, 1), (FS_COMPLETED, 1)]
    assert assert_same_pages(document, fax.received) == 1


@pytest.mark.spandsp
def test_challenged_then_switched(faxes: dict[str, Future[Fax]], document: Path) -> None:
    fax = faxes["challenged"].result(PATIENCE)
    assert_arrived(fax, document)
    assert fax.outcome.kinds() == [Ringing, Connected, SwitchedToT38, Disconnected]
    assert not fax.outcome.call_events[2].event.ours
    # SIPp does not compute the response to a 407 (RFC 7616 3.4.1, with MD5).
    header = re.search("^Proxy-Authorization: Digest (.*)$", fax.messages, re.M)[1]
    credentials = dict(re.findall(r'(\w+)="?([^",\s]+)', header))
    secret = hashlib.md5(b"alice:sipp:secret").hexdigest()
    request = hashlib.md5(f"INVITE:{credentials['uri']}".encode()).hexdigest()
    words = (secret, *(credentials[name] for name in ("nonce", "nc", "cnonce", "qop")), request)
    assert credentials["response"] == hashlib.md5(":".join(words).encode()).hexdigest()


@pytest.mark.spandsp
def test_switched_again_in_the_middle(faxes: dict[str, Future[Fax]], document: Path) -> None:
    """The same T.38 as before is agreed again, and the fax goes on; the 183 before it harms nothing."""
    fax = faxes["refreshed"].result(PATIENCE)
    assert_arrived(fax, document)
    assert fax.outcome.kinds() == [Ringing, Connected, SwitchedToT38, Disconnected]
    assert fax.outcome.call_events[0].event == Ringing(183, "Session Progress")
    assert len(fax.udptl_ports) == 2
    assert len(set(fax.udptl_ports)) == 1
    descriptions = re.findall(r"^o=(?!sipp)\S+ \d+ (\d+) ", fax.messages, re.M)
    assert descriptions == ["1", "2", "2"]  # RFC 3264 8: the version is raised only by a change


@pytest.mark.spandsp
def test_t38_in_the_first_invite(faxes: dict[str, Future[Fax]], document: Path) -> None:
    fax = faxes["at once"].result(PATIENCE)
    assert_arrived(fax, document)
    assert fax.outcome.kinds() == [Ringing, Connected, SwitchedToT38, Disconnected]
    assert "m=audio" not in fax.messages


@pytest.mark.spandsp
def test_the_far_end_hangs_up_in_a_page(faxes: dict[str, Future[Fax]]) -> None:
    fax = faxes["cut"].result(PATIENCE)
    fax.outcome.assert_is(FS_DISCONNECTED, 200, "hung up before the fax was over")
    fax.outcome.assert_call_is(fax.dialog)
    assert fax.outcome.result.pages_confirmed == 0
    assert (fax.outcome.status.PageCount, fax.outcome.status.CSI) == (1, fax.outcome.result.remote_id)


# --- what takes half a minute by its nature, also at once ---------------------------------------------------


def call_to(service: Service, directory: Path, scenario: str) -> tuple[Outcome, DialogId]:
    with sipp(scenario, directory) as peer:
        outcome = service.send(peer.address)
        peer.wait()
        return outcome, dialog_of(peer)


@pytest.fixture(scope="module")
def patience(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future]]:
    directory = tmp_path_factory.mktemp("patience")
    with (
        udp_socket() as silent,
        running(document, route=Route(audio=Audio.NEVER)) as callee,
        running(document, route=Route(switch=Switch.CALLER, audio=Audio.NEVER)) as caller,
        ThreadPoolExecutor(3) as threads,
    ):
        yield {
            "audio only": threads.submit(call_to, callee, directory / "a", "answers"),
            "refused": threads.submit(call_to, caller, directory / "b", "refuses_switch"),
            "silent": threads.submit(callee.send, silent.getsockname()),
        }


@pytest.mark.full
@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("audio only", "never switched to T.38"),
        ("refused", "refused T.38 (SIP 488 Not Acceptable Here)"),
    ],
)
def test_it_stays_an_audio_call(patience: dict[str, Future], call: str, why: str) -> None:
    outcome, dialog = patience[call].result(PATIENCE)
    outcome.assert_is(FS_NOT_FAX_CALL, 200, why)
    outcome.assert_call_is(dialog)
    assert outcome.kinds() == [Ringing, Connected, Disconnected]


@pytest.mark.full
def test_the_peer_never_responds(patience: dict[str, Future]) -> None:
    """Timer B (RFC 3261 17.1.1.2)."""
    outcome = patience["silent"].result(PATIENCE)
    outcome.assert_is(FS_NO_ANSWER, 408, "never responded")
    assert (outcome.call_handles, outcome.call_events) == ([], [])
