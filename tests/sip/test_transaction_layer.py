"""Which transaction a message belongs to, and where responses go."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from random import Random

import pytest

from sip.syntax.message import Via
from sip.transaction.failed_hops import FailedHops
from sip.transaction.layer import TransactionLayer
from sip.transaction.machines import INVITE_SERVER, Input, State
from sip.transaction.timers import Timers
from sip.transaction.via import response_address
from sip.values import Hop
from tests.sip.link import ALICE, BOB
from tests.sip.test_transaction import Bench, request, response


def layer(limit: int = 100) -> TransactionLayer:
    timers = Timers()
    return TransactionLayer(timers, Random(1), lambda peer: ALICE.address, FailedHops(timers), limit=limit)


def test_a_request_is_known_by_branch_sent_by_and_method() -> None:
    transactions = layer()
    transactions.serve(request("INVITE"), BOB)
    assert transactions.absorb(request("INVITE"), 0)
    assert transactions.absorb(request("ACK"), 0)
    assert not transactions.absorb(request("BYE"), 0)
    assert not transactions.absorb(request("INVITE", "z9hG4bK-2"), 0)
    other = request("INVITE", Via="SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-1")
    assert not transactions.absorb(other, 0)
    assert transactions.merged(other)
    assert transactions.cancelled(request("CANCEL"), BOB) is not None


def test_the_ack_of_a_2xx_is_for_the_dialog_whatever_its_branch() -> None:
    transactions = layer()
    invite = transactions.serve(request("INVITE"), BOB)
    invite.respond(response(request("INVITE"), 200), 0)
    assert transactions.absorb(request("INVITE"), 0)
    assert not transactions.absorb(request("ACK"), 0)


def test_a_branch_without_the_magic_cookie_is_no_name() -> None:
    transactions = layer()
    transactions.serve(request("INVITE", "1"), BOB)
    assert transactions.absorb(request("INVITE", "1"), 0)
    assert not transactions.absorb(request("INVITE", "1", **{"Call-ID": "d"}), 0)


@pytest.mark.parametrize("branch", ["z9hG4bK", "z9hG4bK-always", "1", None])
@pytest.mark.parametrize(
    "change", [{"Call-ID": "d"}, {"From": "<sip:a@h>;tag=other"}, {"CSeq": "2 INVITE"}], ids=str
)
def test_requests_of_one_branch_are_kept_apart(branch: str | None, change: dict[str, str]) -> None:
    """Some clients have one branch for all their requests, if only the bare magic cookie."""
    via = {"Via": "SIP/2.0/UDP 192.0.2.2:5060" + ("" if branch is None else f";branch={branch}")}
    transactions = layer()
    transactions.serve(request("INVITE", **via), BOB)
    assert transactions.absorb(request("INVITE", **via), 0)
    other = request("INVITE", **via | change)
    assert not transactions.absorb(other, 0)
    second = transactions.serve(other, BOB)
    number = other.cseq.number
    cancel = request("CANCEL", **via | change | {"CSeq": f"{number} CANCEL"})
    assert transactions.cancelled(cancel, BOB) is second
    assert transactions.absorb(request("ACK", **via | change | {"CSeq": f"{number} ACK"}), 0)


def test_only_requests_without_a_final_response_make_it_full() -> None:
    transactions = layer(limit=2)
    one, two = (transactions.serve(request("INVITE", f"z9hG4bK-{n}"), BOB) for n in (1, 2))
    assert transactions.full
    two.respond(response(two.request, 100), 0)
    assert transactions.full
    one.respond(response(one.request, 200), 0)
    two.respond(response(two.request, 486), 0)
    assert not transactions.full
    assert len(transactions) == 2


def test_of_finished_requests_the_oldest_are_forgotten_first() -> None:
    transactions = layer(limit=2)
    for number in range(20):
        served = transactions.serve(request("INFO", f"z9hG4bK-{number}"), BOB)
        served.respond(response(served.request, 200), 0)
    assert len(transactions) == 8
    assert not transactions.absorb(request("INFO", "z9hG4bK-11"), 0)
    assert transactions.absorb(request("INFO", "z9hG4bK-12"), 0)


def test_large_requests_that_are_finished_take_little_memory() -> None:
    """A caller may send 64 KB at a time, hundreds a second, and each waits 32 s for its copies."""
    transactions = layer(limit=4096)
    small = request("INFO", "z9hG4bK-small")
    transactions.serve(small, BOB).respond(response(small, 200), 0)
    tracemalloc.start()
    try:
        for number in range(1000):
            large = request("INFO", f"z9hG4bK-{number}")
            if number % 2:
                large.headers.add("X-Large", "x" * 8000)
            served = transactions.serve(replace(large, body=bytes(40_000)), BOB)
            served.respond(response(large, 200), 0)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 10_000_000
    assert transactions.absorb(request("INFO", "z9hG4bK-998"), 0)
    assert transactions.absorb(request("INFO", "z9hG4bK-999"), 0)
    assert transactions.absorb(request("INFO", "z9hG4bK-0"), 0)
    assert not transactions.absorb(request("INFO", "z9hG4bK-1"), 0)
    assert transactions.absorb(small, 0)
    assert not transactions.full


@pytest.mark.parametrize("change", ["branch", "method", "via"])
def test_a_response_to_something_else_is_dropped(change: str) -> None:
    transactions = layer()
    delivered: list[int] = []
    sent = request("OPTIONS")
    sent.headers.remove("Via")
    sent = transactions.request(
        sent, [BOB], lambda response, source, now: delivered.append(response.status), lambda *_: None, 0
    ).request
    wrong = response(sent, 200)
    if change == "branch":
        wrong.headers.set("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKother")
    elif change == "method":
        wrong.headers.set("CSeq", "1 INVITE")
    else:
        wrong.headers.add("Via", "SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKx")
    transactions.receive_response(wrong, BOB, 0)
    assert delivered == []
    transactions.receive_response(response(sent, 200), BOB, 0)
    assert delivered == [200]


@pytest.mark.parametrize(
    ("via", "destination"),
    [
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport", Hop("198.51.100.7", 1024)),
        ("SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1", Hop("198.51.100.7", 5070)),
        ("SIP/2.0/UDP pbx.example;branch=z9hG4bK1", Hop("198.51.100.7", 5060)),
    ],
)
def test_responses_go_where_the_request_came_from(via: str, destination: Hop) -> None:
    assert response_address(Via.parse(via), Hop("198.51.100.7", 1024)) == destination


def test_inputs_without_a_place_in_a_table_change_nothing() -> None:
    assert (State.CONFIRMED, Input.REQUEST) not in INVITE_SERVER
    bench = Bench()
    transaction = bench.server("INVITE")
    transaction.respond(response(transaction.request, 486), bench.now)
    transaction.acknowledged(bench.now)
    transaction.repeated(bench.now)
    transaction.respond(response(transaction.request, 200), bench.now)
    assert transaction.state is State.CONFIRMED
    assert len(bench.sent) == 1
