"""Cancelling at every moment of a call, from either end: over within three seconds, and the truth told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sip.line import Failed
from sip.values import Address
from t38fsp import events
from t38fsp.choices import Switch
from t38fsp.outcome import Outcome
from t38fsp.status import FaxStatus
from t38fsp.virtual.endpoint import SimulatedCall
from t38fsp.virtual.network import Faults
from tests.call.harness import Scene, make_pages, names
from tests.call.phone import PHONE, Phone
from tests.sweep import sweep

LIMIT = 3.0
"""Virtual seconds from the abort to the result."""
PAGES = 2
SWEEP = [0.31 * number for number in range(1, 69)]
"""Seconds after the INVITE; the faxes below are over before the last of them."""


def confirmed_so_far(call: SimulatedCall) -> int:
    return sum(isinstance(event, events.PageDone) and event.record.confirmed for event in call.events)


def abort(scene: Scene, call: SimulatedCall, abort: Callable[[], None] | None = None) -> FaxStatus:
    """Abort ``call``, and see that it is over in time; its status."""
    before = scene.simulator.now
    (abort or call.abort)()
    scene.run(until=lambda: call.call.result is not None)
    assert scene.simulator.now - before <= LIMIT
    assert call.call.result is not None
    return call.call.result.status


def assert_cancelled(scene: Scene, status: FaxStatus) -> None:
    """The caller never was in a fax."""
    assert status is FaxStatus.USER_ABORT
    assert scene.sent.reason == "the fax was cancelled here"
    assert not scene.sent.retry
    assert not any(page.confirmed for page in scene.sent.pages)
    assert names(scene.call.events)[-1] == "Finished"
    scene.run_out()
    assert not scene.output.exists()


# --- before the fax -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [0.0, 0.3, 5.0, 31.0])
def test_dialling_without_any_response(tmp_path: Path, after: float) -> None:
    scene = Scene(tmp_path)
    call = scene.send(make_pages(PAGES), to="192.0.2.99")
    scene.run(seconds=after)
    assert_cancelled(scene, abort(scene, call))


@pytest.mark.parametrize("after", [0.0, 0.01, 0.1, 10.0])
def test_ringing(tmp_path: Path, after: float) -> None:
    """CANCEL goes out when a provisional response has come, and the far end stops ringing."""
    scene = Scene(tmp_path)
    phone = Phone(scene)
    phone.on_incoming = lambda incoming: phone.ring()
    call = scene.send(make_pages(PAGES), to=PHONE)
    scene.run(seconds=after)
    assert_cancelled(scene, abort(scene, call))
    assert len(phone.heard(Failed)) == 1
    assert phone.agent.idle


@pytest.mark.parametrize("after", [0.0, 0.01, 0.02, 0.03, 0.05, 0.07])
def test_a_cancel_that_crosses_the_200(tmp_path: Path, after: float) -> None:
    """It ends in ACK and BYE, with no call left at the far end."""
    scene = Scene(tmp_path)
    scene.answer()
    call = scene.send(make_pages(PAGES))
    scene.run(seconds=after)
    assert_cancelled(scene, abort(scene, call))
    assert scene.received.status is FaxStatus.DISCONNECTED


@pytest.mark.parametrize("after", [0.1, 1.0, 20.0])
def test_audio(tmp_path: Path, after: float) -> None:
    scene = Scene(tmp_path)
    scene.answer(switch=Switch.CALLER)
    call = scene.send(make_pages(PAGES), switch=Switch.CALLEE)
    scene.run(seconds=after)
    assert names(call.events)[-1] == "Connected"
    assert_cancelled(scene, abort(scene, call))
    # A machine that called for so long without an answer will get none the next time.
    assert scene.received.outcome is (Outcome.NO_T38 if after > 10.0 else Outcome.DISCONNECTED)
    assert "hung up before the switch" in scene.received.reason


@pytest.mark.parametrize("after", [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0])
def test_glare(tmp_path: Path, after: float) -> None:
    """A re-INVITE of ours may be open, or wait for its turn."""
    scene = Scene(tmp_path)
    scene.answer(switch=Switch.CALLEE)
    call = scene.send(make_pages(PAGES), switch=Switch.CALLER)
    scene.run(seconds=after)
    assert_cancelled(scene, abort(scene, call))
    assert scene.received.status is FaxStatus.DISCONNECTED


# --- the application says no --------------------------------------------------------------------------------


def test_the_application_says_no_at_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.answer()
    call = scene.send(make_pages(PAGES))
    call.on_connected = lambda: False
    scene.run()
    assert_cancelled(scene, scene.sent.status)
    assert scene.sent.seconds < LIMIT
    assert scene.received.status is FaxStatus.DISCONNECTED


@pytest.mark.parametrize("after", [0.5, 2.0, 4.5, 6.0, 8.0, 12.0, 30.0])
def test_the_application_says_no_later(tmp_path: Path, after: float) -> None:
    """While the far end plays CED, sends its DIS, or waits for our DCS."""
    scene = Scene(tmp_path)
    scene.answer()
    call = scene.send(make_pages(PAGES))
    call.on_connected = lambda: None
    scene.run(seconds=after)
    assert_cancelled(scene, abort(scene, call, lambda: call.proceed(False)))
    assert scene.received.status is FaxStatus.DISCONNECTED
    assert "Trained" not in names(call.events)


# --- the whole fax, moment by moment ------------------------------------------------------------------------


def fax(folder: Path, ecm: bool, after: float) -> Scene:
    """A fax of two short pages that has run for ``after`` seconds."""
    scene = Scene(folder)
    scene.answer(ecm=ecm)
    scene.send(make_pages(PAGES, rows=60))
    scene.run(seconds=after)
    return scene


@pytest.mark.parametrize("ecm", [True, False])
def test_the_sweep_covers_the_fax(tmp_path: Path, ecm: bool) -> None:
    scene = fax(tmp_path, ecm, SWEEP[-1])
    scene.assert_delivered(PAGES)
    assert SWEEP[-1] - scene.sent.seconds < 2.0


@sweep(push=12, after=SWEEP, ecm=[True, False])
def test_the_sender_aborts(tmp_path: Path, ecm: bool, after: float) -> None:
    scene = fax(tmp_path, ecm, after)
    everything = confirmed_so_far(scene.call) == PAGES
    status = abort(scene, scene.call)
    assert status is (FaxStatus.COMPLETED if everything else FaxStatus.USER_ABORT)
    assert scene.sent.pages_confirmed == confirmed_so_far(scene.call)
    scene.run()
    # The far end may have answered for the last page just before it heard of the abort.
    done = scene.received.pages_confirmed == PAGES
    assert scene.received.status is (FaxStatus.COMPLETED if done else FaxStatus.DISCONNECTED)
    scene.assert_truthful()
    scene.run_out()


@sweep(push=12, after=SWEEP, ecm=[True, False])
def test_the_receiver_aborts(tmp_path: Path, ecm: bool, after: float) -> None:
    scene = fax(tmp_path, ecm, after)
    status = abort(scene, scene.taken)
    done = confirmed_so_far(scene.taken) == PAGES
    assert status is (FaxStatus.COMPLETED if done else FaxStatus.USER_ABORT)
    scene.run()
    # What we confirmed is confirmed there, too.
    assert scene.sent.pages_confirmed == PAGES if done else scene.sent.pages_confirmed < PAGES
    assert scene.sent.status is (FaxStatus.COMPLETED if done else FaxStatus.DISCONNECTED)
    scene.assert_truthful()
    scene.run_out()


@sweep(push=12, after=SWEEP, ecm=[True, False])
def test_the_receiver_hangs_up(tmp_path: Path, ecm: bool, after: float) -> None:
    """A BYE without a DCN. After MCF to EOP it is a success."""
    scene = fax(tmp_path, ecm, after)
    line_call = scene.taken.call.line_call
    assert line_call is not None
    scene.callee.agent.hang_up(line_call, scene.simulator.now)
    scene.callee.flush()
    scene.run()
    done = scene.sent.pages_confirmed == PAGES
    assert scene.sent.status is (FaxStatus.COMPLETED if done else FaxStatus.DISCONNECTED)
    if not done:
        assert "the far end hung up" in scene.sent.reason
        assert scene.sent.retry
        assert any(isinstance(event, events.Disconnected) and event.remote for event in scene.call.events)
    scene.assert_truthful()
    scene.run_out()


@sweep(push=12, after=SWEEP, ecm=[True, False])
def test_the_sender_hangs_up(tmp_path: Path, ecm: bool, after: float) -> None:
    scene = fax(tmp_path, ecm, after)
    line_call = scene.call.call.line_call
    assert line_call is not None
    scene.caller.agent.hang_up(line_call, scene.simulator.now)
    scene.caller.flush()
    scene.run()
    done = scene.received.pages_confirmed == PAGES
    assert scene.received.status is (FaxStatus.COMPLETED if done else FaxStatus.DISCONNECTED)
    scene.assert_truthful()
    scene.run_out()


@pytest.mark.parametrize("after", SWEEP[::8])
@pytest.mark.parametrize("ecm", [True, False])
def test_nothing_gets_through_any_more(tmp_path: Path, ecm: bool, after: float) -> None:
    """DCN and BYE go unheard; the abort is over in time all the same."""
    cut = False

    def faults_for(source: Address, destination: Address) -> Faults:
        return Faults(loss=1.0 if cut else 0.0)

    scene = Scene(tmp_path, faults_for=faults_for)
    scene.answer(ecm=ecm)
    scene.send(make_pages(PAGES, rows=60))
    scene.run(seconds=after)
    everything = confirmed_so_far(scene.call) == PAGES
    cut = True
    status = abort(scene, scene.call)
    assert status is (FaxStatus.COMPLETED if everything else FaxStatus.USER_ABORT)
    scene.run()
    scene.assert_truthful()
    scene.run_out()
