"""What a running user agent makes of the torture test messages of RFC 4475, of noise, and of floods."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from random import Random
from subprocess import PIPE

import pytest

from sip.agent import UserAgent
from sip.line import Ended, Incoming
from sip.ua.admission import Admission
from sip.values import Hop
from tests.benchmarks.torture import FLOODS, flood, mutated
from tests.sip.link import ALICE, IMAGE
from tests.sip.peer import LIMIT
from tests.sip.rfc4475 import MESSAGES
from tests.sip.solo import Solo, sdp

FAR = Hop("192.0.2.77", 5060)


CALL = [100]
"""It is a call for us, and waits."""
DROPPED: list[int] = []

OUTCOMES = {
    # 3.1.1: valid
    "wsinv": [481],  # its To has a tag, so it belongs to a dialog that we do not know
    "intmeth": [405],
    "esc01": CALL,
    "escnull": [405],
    "esc02": [405],  # a method of its own, for escapes mean nothing there
    "lwsdisp": [200],
    "longreq": CALL,
    "dblreq": [405],  # what follows in the datagram is ignored
    "semiuri": [200],
    "transports": [200],
    "mpart01": [405],
    "unreason": DROPPED,  # a response to nothing
    "noreason": DROPPED,
    # 3.1.2: invalid
    "badinv01": [400],
    "clerr": [400],
    "ncl": [400],
    "scalar02": [400],
    "scalarlg": DROPPED,
    "quotbal": [400],
    "ltgtruri": [400],
    "lwsruri": [400],
    "lwsstart": [400],
    "trws": [400],
    "escruri": CALL,  # headers in a Request-URI are ignored
    "baddate": CALL,  # nobody reads the date
    "regbadct": [405],
    "badaspec": [200],  # blanks in brackets harm nobody
    "baddn": [200],
    "badvers": [505],
    "mismatch01": [400],
    "mismatch02": [400],
    "bigcode": DROPPED,
    # 3.2: transactions
    "badbranch": [200],
    # 3.3: semantics
    "insuf": DROPPED,  # without From, To and Call-ID there is no response
    "unkscm": [416],
    "novelsc": [416],
    "unksm2": [405],
    "bext01": [420],
    "invut": [415],
    "regaut01": [405],
    "multi01": [400],
    "mcl01": [400],
    "bcast": DROPPED,
    "zeromf": [200],  # only proxies count hops
    "cparam01": [405],
    "cparam02": [405],
    "regescrt": [405],
    "sdp01": CALL,
    # 3.4: RFC 2543
    "inv2543": [400],  # no Contact, so there is nowhere to send a BYE to
}


def test_every_message_is_here() -> None:
    assert set(MESSAGES) == set(OUTCOMES)
    assert len(MESSAGES) == 49


@pytest.mark.parametrize("name", MESSAGES)
def test_what_becomes_of_a_message(name: str) -> None:
    solo = Solo()
    solo.hear(MESSAGES[name], FAR)
    assert solo.statuses() == OUTCOMES[name]
    assert [type(event) for event in solo.events] == ([Incoming] if OUTCOMES[name] is CALL else [])
    solo.agent.hang_up_all(solo.now)
    solo.wait(200)
    assert solo.agent.idle


@pytest.mark.parametrize("name", MESSAGES)
def test_who_is_not_admitted_hears_nothing(name: str) -> None:
    """Not even that a message was malformed."""
    admission = Admission(Random(1))
    agent = UserAgent(contact_address=ALICE.address, user_agent="x", random=Random(1), admission=admission)
    agent.receive(MESSAGES[name], FAR, 0.0)
    assert agent.take_datagrams() == []
    agent.receive(MESSAGES[name], Hop("127.0.0.1", 5062), 0.0)
    assert bool(agent.take_datagrams()) == bool(OUTCOMES[name])


def test_a_call_goes_on_through_all_of_them() -> None:
    solo = Solo()
    _, ok = solo.answered()
    for octets in MESSAGES.values():
        solo.hear(octets, FAR)
        solo.hear(octets)
    solo.sent()
    solo.ask_within(ok, "INVITE", 1, sdp(IMAGE, version=2))
    assert solo.response().status == 200
    solo.ask_within(ok, "ACK", 1)
    solo.ask_within(ok, "BYE", 2)
    assert 200 in solo.statuses()
    assert [event.remote for event in solo.events if isinstance(event, Ended)] == [True]
    solo.agent.hang_up_all(solo.now)
    solo.wait(200)
    assert solo.agent.idle


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.full)])
def test_mutated_messages_leave_nothing(seed: int) -> None:
    """``mutated`` looks after every 250."""
    outcome = mutated(1500 if seed == 1 else 30_000, seed)
    # What is answered got past the parser.
    assert outcome.answers > outcome.messages / 5


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_stays_within_its_limits_and_leaves_nothing(name: str) -> None:
    outcome = flood(name, 1200)
    assert outcome.calls <= (8 if "one source" in name else 64)
    assert outcome.transactions <= outcome.calls


PARENT = """
import multiprocessing
import sys
from tests.benchmarks.torture import shoot

gunner = multiprocessing.get_context("spawn").Process(target=shoot, args=(9, 1000), daemon=True)
gunner.start()
print(gunner.pid, flush=True)
sys.stdin.read()
"""


def test_a_benchmark_that_is_killed_leaves_nobody_shooting() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=PIPE, stdout=PIPE, text=True) as parent:
        assert parent.stdout is not None
        gunner = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    gone, _, _ = select.select([gunner], [], [], LIMIT)
    os.close(gunner)
    assert gone


def test_strangers_hear_nothing() -> None:
    assert flood("INVITEs of sources that are not admitted", 500).answers == 0
