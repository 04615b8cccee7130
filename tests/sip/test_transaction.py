"""The four machines against RFC 3261 17: which message at which time, and what is never answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.syntax.message import Headers, Request, Response
from sip.transaction.client import ClientTransaction, Failure, Way, acknowledgement
from sip.transaction.machines import (
    INVITE_CLIENT,
    INVITE_SERVER,
    OTHER_CLIENT,
    OTHER_SERVER,
    ServerTransaction,
    State,
    Table,
)
from sip.transaction.timers import Timers
from sip.values import Hop, Transport
from tests.sip.link import BOB


def request(method: str, branch: str = "z9hG4bK-1", **more: str) -> Request:
    fields = {
        "Via": f"SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport",
        "From": "<sip:a@a.example>;tag=1",
        "To": "<sip:b@b.example>",
        "Call-ID": "c",
        "CSeq": f"1 {method}",
    }
    return Request(method, "sip:b@b.example", Headers((fields | more).items()))


def response(to: Request, status: int, tag: str = "2") -> Response:
    headers = to.headers.copy()
    headers.set("To", f"<sip:b@b.example>;tag={tag}")
    return Response(status, "R", headers)


OVER_TCP = Hop(BOB.host, BOB.port, Transport.TCP)


class Bench:
    """Transactions on a clock of their own, and what they did when."""

    def __init__(self) -> None:
        self.timers = Timers()
        self.now = 0.0
        self.sent: list[tuple[float, str]] = []
        self.hops: list[Hop] = []
        self.delivered: list[int] = []
        self.failures: list[Failure] = []
        self.ended = 0

    def send(self, data: bytes, destination: Hop) -> None:
        self.hops.append(destination)
        self.sent.append(
            (round(self.now, 3), data.split(b" ")[0 if not data.startswith(b"SIP") else 1].decode())
        )

    def end(self) -> None:
        self.ended += 1

    def client(self, method: str, *hops: Hop) -> ClientTransaction:
        """``hops`` are the ways for it; BOB alone when there are none."""
        transaction = ClientTransaction(
            [Way(request(method), hop) for hop in hops or (BOB,)],
            self.timers,
            self.send,
            lambda response, source, now: self.delivered.append(response.status),
            lambda failure, now: self.failures.append(failure),
            self.end,
        )
        transaction.start(self.now)
        return transaction

    def server(self, method: str, hop: Hop = BOB) -> ServerTransaction:
        return ServerTransaction(request(method), hop, hop, self.timers, self.send, self.end)

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while (when := self.timers.next_deadline()) is not None and when <= end:
            self.now = when
            self.timers.fire(when)
        self.now = end

    def at(self) -> list[float]:
        return [when for when, _ in self.sent]


def test_an_unanswered_invite_is_repeated_at_doubling_intervals_and_given_up_after_32_seconds() -> None:
    bench = Bench()
    transaction = bench.client("INVITE")
    bench.wait(31.9)
    assert bench.at() == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert not bench.failures
    bench.wait(0.1)
    assert bench.failures == [Failure.TIMEOUT]
    assert transaction.terminated
    assert bench.ended == 1


def test_another_unanswered_request_is_repeated_every_4_seconds_at_most() -> None:
    bench = Bench()
    bench.client("BYE")
    bench.wait(40)
    assert bench.at() == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert bench.failures == [Failure.TIMEOUT]


def test_a_provisional_response_stops_the_repeats_of_an_invite() -> None:
    bench = Bench()
    transaction = bench.client("INVITE")
    bench.wait(0.1)
    transaction.receive(response(transaction.request, 180), BOB, bench.now)
    bench.wait(600)
    assert bench.at() == [0]
    assert bench.delivered == [180]
    assert transaction.state is State.PROCEEDING


def test_a_provisional_response_slows_the_repeats_of_another_request() -> None:
    bench = Bench()
    transaction = bench.client("BYE")
    bench.wait(0.1)
    transaction.receive(response(transaction.request, 100), BOB, bench.now)
    bench.wait(10)
    assert bench.at() == [0, 0.5, 4.5, 8.5]


def test_a_refused_invite_is_acknowledged_each_time_it_is_refused() -> None:
    bench = Bench()
    transaction = bench.client("INVITE")
    for _ in range(3):
        transaction.receive(response(transaction.request, 486), BOB, bench.now)
        bench.wait(0.5)
    assert [what for _, what in bench.sent] == ["INVITE", "ACK", "ACK", "ACK"]
    assert bench.delivered == [486]
    bench.wait(32)
    assert bench.ended == 1


def test_the_ack_of_a_refusal_has_the_branch_of_the_invite_and_the_tag_of_the_response() -> None:
    invite = request("INVITE", Route="<sip:proxy.example;lr>")
    ack = acknowledgement(invite, response(invite, 486, tag="x"))
    assert ack.headers.get("Via") == invite.headers.get("Via")
    assert ack.headers.get("To") == "<sip:b@b.example>;tag=x"
    assert ack.headers.get("CSeq") == "1 ACK"
    assert ack.headers.get_all("Route") == ["<sip:proxy.example;lr>"]


def test_every_copy_of_a_success_reaches_the_user_for_32_seconds() -> None:
    bench = Bench()
    transaction = bench.client("INVITE")
    for _ in range(3):
        transaction.receive(response(transaction.request, 200), BOB, bench.now)
    assert bench.delivered == [200, 200, 200]
    bench.wait(32)
    assert transaction.terminated


def test_a_refused_datagram_fails_an_invite_only_while_nobody_answered_it() -> None:
    bench = Bench()
    transaction = bench.client("INVITE")
    transaction.unreachable(bench.now)
    assert bench.failures == [Failure.UNREACHABLE]
    later = bench.client("INVITE")
    later.receive(response(later.request, 100), BOB, bench.now)
    later.unreachable(bench.now)
    assert later.state is State.PROCEEDING


def test_a_server_repeats_its_refusal_until_the_ack() -> None:
    bench = Bench()
    transaction = bench.server("INVITE")
    transaction.respond(response(transaction.request, 486), bench.now)
    bench.wait(12)
    assert bench.at() == [0, 0.5, 1.5, 3.5, 7.5, 11.5]
    transaction.acknowledged(bench.now)
    bench.wait(4.9)
    assert transaction.state is State.CONFIRMED
    bench.wait(0.1)
    assert transaction.terminated
    assert len(bench.sent) == 6


def test_a_server_whose_refusal_is_never_acknowledged_ends_after_32_seconds() -> None:
    bench = Bench()
    transaction = bench.server("INVITE")
    transaction.respond(response(transaction.request, 486), bench.now)
    bench.wait(32)
    assert transaction.terminated


def test_an_accepting_server_swallows_copies_of_the_invite() -> None:
    bench = Bench()
    transaction = bench.server("INVITE")
    transaction.respond(response(transaction.request, 200), bench.now)
    transaction.repeated(bench.now)
    assert len(bench.sent) == 1
    transaction.respond(response(transaction.request, 200), bench.now)
    assert len(bench.sent) == 2
    bench.wait(32)
    assert transaction.terminated


def test_a_server_answers_a_copy_with_its_last_response() -> None:
    bench = Bench()
    transaction = bench.server("BYE")
    transaction.repeated(bench.now)
    assert bench.sent == []
    transaction.respond(response(transaction.request, 200), bench.now)
    transaction.repeated(bench.now)
    assert [what for _, what in bench.sent] == ["200", "200"]
    bench.wait(32)
    assert transaction.terminated


# --- reliable transports, and more ways than one ------------------------------------------------------------


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_nothing_is_repeated_over_tcp_and_patience_is_the_same(method: str) -> None:
    bench = Bench()
    bench.client(method, OVER_TCP)
    bench.wait(31.9)
    assert bench.at() == [0]
    assert not bench.failures
    bench.wait(0.1)
    assert bench.failures == [Failure.TIMEOUT]


@pytest.mark.parametrize(("method", "status"), [("INVITE", 486), ("BYE", 200)])
def test_over_tcp_a_client_waits_for_no_copies_of_the_answer(method: str, status: int) -> None:
    bench = Bench()
    transaction = bench.client(method, OVER_TCP)
    transaction.receive(response(transaction.request, status), OVER_TCP, bench.now)
    bench.wait(0)
    assert transaction.terminated
    assert bench.delivered == [status]


def test_over_tcp_a_server_refuses_once_and_forgets_with_the_ack() -> None:
    bench = Bench()
    transaction = bench.server("INVITE", OVER_TCP)
    transaction.respond(response(transaction.request, 486), bench.now)
    bench.wait(20)
    assert bench.at() == [0]
    transaction.acknowledged(bench.now)
    bench.wait(0)
    assert transaction.terminated
    other = bench.server("BYE", OVER_TCP)
    other.respond(response(other.request, 200), bench.now)
    bench.wait(0)
    assert other.terminated


def test_over_tcp_a_success_still_waits_for_other_forks() -> None:
    bench = Bench()
    transaction = bench.client("INVITE", OVER_TCP)
    transaction.receive(response(transaction.request, 200), OVER_TCP, bench.now)
    bench.wait(31.9)
    assert transaction.state is State.ACCEPTED


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_a_broken_connection_fails_a_request_that_nobody_answered(method: str) -> None:
    bench = Bench()
    bench.client(method, OVER_TCP).unreachable(bench.now)
    assert bench.failures == [Failure.UNREACHABLE]


def test_a_refused_datagram_does_not_fail_other_requests_than_invite() -> None:
    bench = Bench()
    bench.client("BYE").unreachable(bench.now)
    bench.wait(0.5)
    assert (bench.failures, bench.at()) == ([], [0, 0.5])


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_a_request_refused_on_one_way_goes_the_next_and_is_repeated_there(method: str) -> None:
    bench = Bench()
    transaction = bench.client(method, OVER_TCP, BOB)
    bench.wait(0.25)
    transaction.unreachable(bench.now)
    bench.wait(2)
    assert bench.hops == [OVER_TCP, BOB, BOB, BOB]
    assert bench.at() == [0, 0.25, 0.75, 1.75]
    transaction.receive(response(transaction.request, 200), BOB, bench.now)
    assert bench.delivered == [200]


def test_an_answered_invite_stays_on_its_way() -> None:
    bench = Bench()
    transaction = bench.client("INVITE", BOB, OVER_TCP)
    transaction.receive(response(transaction.request, 100), BOB, bench.now)
    transaction.unreachable(bench.now)
    bench.wait(10)
    assert bench.hops == [BOB]


@pytest.mark.parametrize("table", [INVITE_CLIENT, OTHER_CLIENT, INVITE_SERVER, OTHER_SERVER])
def test_every_state_of_a_table_leads_to_its_end(table: Table) -> None:
    leads = {state for state, _ in table}
    reached = {State.TERMINATED}
    while more := {s for (s, _), step in table.items() if step.state in reached} - reached:
        reached |= more
    assert leads <= reached


@given(
    st.lists(st.sampled_from([100, 180, 200, 302, 486, "ack", "again", "time", "gone", "stop"]), max_size=12)
)
@settings(max_examples=150)
def test_whatever_happens_a_transaction_ends_once_and_then_is_silent(inputs: list[int | str]) -> None:
    makers: list[Callable[[Bench], ClientTransaction | ServerTransaction]] = [
        lambda bench: bench.client("INVITE"),
        lambda bench: bench.client("OPTIONS"),
        lambda bench: bench.server("INVITE"),
        lambda bench: bench.server("OPTIONS"),
    ]
    for make in makers:
        bench = Bench()
        transaction = make(bench)
        for each in [*inputs, 486]:
            if each == "time":
                bench.wait(3)
            elif isinstance(transaction, ClientTransaction):
                if isinstance(each, int):
                    transaction.receive(response(transaction.request, each), BOB, bench.now)
                elif each == "gone":
                    transaction.unreachable(bench.now)
                elif each == "stop":
                    transaction.abandon(bench.now)
            elif isinstance(each, int):
                transaction.respond(response(transaction.request, each), bench.now)
            elif each == "ack":
                transaction.acknowledged(bench.now)
            else:
                transaction.repeated(bench.now)
        bench.wait(64)
        assert transaction.terminated
        assert bench.ended == 1
        assert bench.timers.next_deadline() is None
