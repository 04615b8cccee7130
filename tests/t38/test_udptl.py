"""UDPTL: worked examples, loss patterns, numbering, and datagrams that are none."""

import itertools
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t38fsp.t38.receiving import LATE_WINDOW, LEAST_WAIT, MOST_WAIT, UdptlReceiver
from t38fsp.t38.udptl import Counters, Datagram, ParitySender, UdptlError, UdptlSender
from tests.sweep import Share, sweep
from tests.t38.streams import deliver, deliveries, packet, stream, written

PREAMBLE = bytes.fromhex("06")
FRAME = bytes.fromhex("C001800005FFC80100CE78")
SIG_END = bytes.fromhex("C00120")
PAGE = bytes.fromhex("D001B00095") + bytes(range(150))


@pytest.mark.parametrize(
    ("datagram", "octets"),
    [
        (Datagram(0, PREAMBLE), "0000 0106 0000"),
        (Datagram(1, FRAME, (PREAMBLE,)), "0001 0B C001800005FFC80100CE78 0001 0106"),
        (
            Datagram(2, SIG_END, (FRAME, PREAMBLE)),
            "0002 03C00120 0002 0BC001800005FFC80100CE78 0106",
        ),
        (Datagram(300, PAGE), "012C 809B" + PAGE.hex() + "0000"),
        (
            Datagram(400, bytes.fromhex("D00138"), parity=(b"\1\2\3", b"\1\5"), span=3),
            "0190 03D00138 80010302 03010203 020105",
        ),
        (Datagram(7, b""), "0007 00 0000"),
    ],
)
def test_worked_examples_in_both_directions(datagram: Datagram, octets: str) -> None:
    assert bytes(datagram) == bytes.fromhex(octets)
    assert Datagram.parse(bytes.fromhex(octets)) == datagram


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("", "before a length"),
        ("0000", "before a length"),
        ("0000 05 C001", "inside a packet"),
        ("0000 0106", "before its error recovery"),
        ("0000 0106 42 00", "unknown error recovery"),
        ("0000 0106 00", "before a length"),
        ("0000 0106 00 02 0106", "before a length"),
        ("0000 0106 00 00 00", "too many"),
        ("0000 0106 80 02 03 01", "span"),
        ("0000 0106 80 01", "span"),
        ("0000 C1 06 0000", "unreadable"),
        ("0000 80", "unreadable"),
        ("0000 0106 00 8080" + "00" * 128, "128 copies"),
        ("0000 0106 80 0101 8080" + "00" * 128, "128 copies or parity strings"),
        ("8000 1234 00000000 deadbeef" + "d5" * 160, "packet|recovery"),
    ],
)
def test_octets_that_are_no_datagram(octets: str, why: str) -> None:
    with pytest.raises(UdptlError, match=why):
        Datagram.parse(bytes.fromhex(octets))


@given(st.binary(max_size=60))
@settings(max_examples=300)
def test_any_octets_are_a_datagram_or_a_udptl_error(octets: bytes) -> None:
    try:
        datagram = Datagram.parse(octets)
    except UdptlError:
        return
    assert Datagram.parse(bytes(datagram)) == datagram


# --- sending ---------------------------------------------------------------------------------------------


def test_the_sender_counts_from_0_and_carries_the_newest_copies_first() -> None:
    sender = UdptlSender(redundancy=2, max_datagram=400)
    sent = [Datagram.parse(sender.wrap(bytes((n,)))) for n in range(4)]
    assert [each.number for each in sent] == [0, 1, 2, 3]
    assert [each.primary for each in sent] == [b"\0", b"\1", b"\2", b"\3"]
    assert [each.secondaries for each in sent] == [(), (b"\0",), (b"\1", b"\0"), (b"\2", b"\1")]


def test_the_sender_counts_on_from_ffff_to_0() -> None:
    sender = UdptlSender(redundancy=0, max_datagram=400)
    sender.number = 0xFFFF
    assert [sender.wrap(PREAMBLE)[:2].hex() for _ in range(2)] == ["ffff", "0000"]


@pytest.mark.parametrize("limit", [40, 72, 150, 400])
@pytest.mark.parametrize("kind", ["copies", "parity"])
def test_no_datagram_is_too_long(limit: int, kind: str) -> None:
    chance = random.Random(limit)
    sender = UdptlSender(3, limit, control=5) if kind == "copies" else ParitySender(3, 3, limit)
    for _ in range(300):
        octets = bytes(chance.randint(1, limit - 6))
        assert len(sender.wrap(octets, control=chance.random() < 0.3)) <= limit


# --- more copies of what matters more --------------------------------------------------------------------


def test_control_data_comes_again_more_often() -> None:
    """A copy is there as long as its kind asks for, with all copies of packets behind it."""
    sender = UdptlSender(2, 400, control=4)
    kinds = "IICIIIIICCIIIIII"
    sent = [Datagram.parse(sender.wrap(bytes((n,)), control=kind == "C")) for n, kind in enumerate(kinds)]
    #                     I  I  C  I  I  I  I  I  C  C  I  I  I  I  I  I
    assert [len(each.secondaries) for each in sent] == [0, 1, 2, 2, 2, 3, 4, 2, 2, 2, 2, 3, 4, 4, 2, 2]
    for each in sent:
        assert [copy[0] for copy in each.secondaries] == [
            each.number - 1 - n for n in range(len(each.secondaries))
        ]


def test_control_data_survive_five_losses_in_a_row_and_image_data_three() -> None:
    kinds = "C" * 10 + "I" * 30
    for first in range(2, 30):
        sender = UdptlSender(3, 400, control=5)
        datagrams = [sender.wrap(packet(n), control=kind == "C") for n, kind in enumerate(kinds)]
        receiver = UdptlReceiver()
        deliver(receiver, datagrams[:first] + datagrams[first + 5 :])
        # A copy of control data brings along those of what is between.
        assert receiver.counters.lost == (2 if kinds[first] == "I" else 0)


@pytest.mark.parametrize("size", [1, 10, 36, 127, 128, 150])
def test_copies_give_way_when_a_datagram_would_be_too_long(size: int) -> None:
    limit = 161
    sender = UdptlSender(redundancy=3, max_datagram=limit)
    lengths, copies = [], 0
    for _ in range(5):
        datagram = sender.wrap(bytes(size))
        lengths.append(len(datagram))
        copies = len(Datagram.parse(datagram).secondaries)
    assert max(lengths) <= limit
    assert copies == min(3, (limit - 4) // (size + (1 if size < 128 else 2)) - 1)


def test_a_packet_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UdptlError, match="do not fit"):
        UdptlSender(redundancy=3, max_datagram=72).wrap(bytes(90))
    with pytest.raises(UdptlError, match="not possible"):
        UdptlSender(redundancy=128, max_datagram=400)


# --- receiving -------------------------------------------------------------------------------------------


def test_in_order_everything_arrives_once() -> None:
    receiver = UdptlReceiver()
    assert deliver(receiver, stream(10)) == [str(n) for n in range(10)]
    assert receiver.counters == Counters(received=10)


@pytest.mark.parametrize("redundancy", range(5))
@pytest.mark.parametrize("burst", range(1, 6))
def test_a_burst_of_losses_is_made_good_by_as_many_copies(redundancy: int, burst: int) -> None:
    datagrams = stream(12, redundancy=redundancy)
    receiver = UdptlReceiver()
    arrived = deliver(receiver, datagrams[:4] + datagrams[4 + burst :])
    lost = max(0, burst - redundancy)
    numbers = [str(n) for n in range(12) if not 4 <= n < 4 + lost]
    if lost:
        numbers[4] = "*" + numbers[4]
    assert arrived == numbers
    assert receiver.counters == Counters(
        received=12 - burst, recovered=burst - lost, lost=lost, longest_burst=burst
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_any_order_of_four_datagrams(order: tuple[int, ...]) -> None:
    receiver = UdptlReceiver()
    datagrams = stream(8)
    shuffled = datagrams[:2] + [datagrams[2 + n] for n in order] + datagrams[6:]
    assert deliver(receiver, shuffled) == [str(n) for n in range(8)]
    assert receiver.counters.late + receiver.counters.duplicates == receiver.counters.recovered


def test_identical_copies_count_as_duplicates() -> None:
    receiver = UdptlReceiver()
    datagrams = [each for each in stream(3) for _ in range(3)]
    assert deliver(receiver, datagrams) == ["0", "1", "2"]
    assert receiver.counters == Counters(received=3, duplicates=6)


@sweep(push=4, seed=range(10))
def test_loss_duplicates_and_order_at_random(seed: int) -> None:
    chance = random.Random(seed)
    datagrams = [each for each in stream(300) if chance.random() > 0.2]
    datagrams += chance.sample(datagrams, 30)
    datagrams.sort(key=lambda each: int.from_bytes(each[:2], "big") + chance.uniform(0, 2.5))
    receiver = UdptlReceiver()
    arrived = [int(each.strip("*")) for each in deliver(receiver, datagrams)]
    assert arrived == sorted(set(arrived))
    counters = receiver.counters
    assert counters.received + counters.recovered == len(arrived)
    assert arrived[-1] - arrived[0] + 1 == len(arrived) + counters.lost
    assert counters.malformed == 0


@pytest.mark.parametrize("first", [0, 1, 32768, 65530])
def test_the_first_number_is_anything_and_wraps(first: int) -> None:
    receiver = UdptlReceiver()
    datagrams = stream(40, first=first)
    del datagrams[10]
    assert deliver(receiver, datagrams) == [str(first + n) for n in range(40)]


@pytest.mark.parametrize("lost", [None, 3, 4])
def test_a_peer_that_counts_from_ffff_to_1(lost: int | None) -> None:
    datagrams = stream(8, first=0xFFFC)  # 0xFFFC to 0xFFFF, then four more
    renumbered = [
        each if n < 4 else (n - 3).to_bytes(2, "big") + each[2:] for n, each in enumerate(datagrams)
    ]
    if lost is not None:
        del renumbered[lost]
    receiver = UdptlReceiver()
    arrived = deliver(receiver, renumbered)
    expected = [str(0xFFFC + n) for n in range(8)]
    if lost is None:
        assert arrived == expected
        assert receiver.counters.lost == 0
    else:
        # What is lost right there is made good; a packet before it may come twice.
        assert list(dict.fromkeys(arrived)) == expected


def test_a_stray_datagram_is_dropped_and_a_new_stream_is_taken_up() -> None:
    receiver = UdptlReceiver()
    old, new = stream(4), stream(4, first=30000)
    assert deliver(receiver, [*old[:2], new[0], *old[2:]]) == ["0", "1", "2", "3"]
    assert deliver(receiver, new[1:]) == ["*30001", "30002", "30003"]
    assert receiver.counters.lost == 0


def test_a_stream_that_only_changes_its_numbers_loses_nothing() -> None:
    receiver = UdptlReceiver()
    datagrams = stream(12)
    renumbered = datagrams[:6] + [(n + 30000).to_bytes(2, "big") + datagrams[n][2:] for n in range(6, 12)]
    assert deliver(receiver, renumbered) == [str(n) for n in range(12)]
    assert receiver.counters == Counters(received=12)


def test_a_peer_that_begins_again_at_0() -> None:
    receiver = UdptlReceiver()
    deliver(receiver, stream(300))
    assert deliver(receiver, stream(3)) == ["*0", "1", "2"]


def test_a_copy_of_the_first_datagram_confirms_a_new_stream() -> None:
    receiver = UdptlReceiver()
    deliver(receiver, stream(3, first=20000))
    assert deliver(receiver, [stream(1)[0]] * 3) == ["*0"]
    assert deliver(receiver, stream(3)[1:]) == ["1", "2"]


def test_copies_of_no_octets_are_passed_over() -> None:
    receiver = UdptlReceiver()
    datagrams = [Datagram(0, packet(0)), Datagram(3, packet(3), (packet(2), b"", packet(0)))]
    assert deliver(receiver, map(bytes, datagrams)) == ["0", "*2", "3"]
    assert receiver.counters == Counters(received=2, recovered=1, lost=1, longest_burst=2)


# --- waiting for packets on their way --------------------------------------------------------------------


@given(st.permutations(range(12)), st.integers(0, 3))
@settings(max_examples=100)
def test_within_the_wait_any_order_is_put_right(order: list[int], redundancy: int) -> None:
    datagrams = stream(13, redundancy=redundancy)
    receiver = UdptlReceiver()
    arrived = receiver.receive(datagrams[0], 0.0)
    for position, number in enumerate(order):
        arrived += receiver.receive(datagrams[1 + number], position * LEAST_WAIT / 12)
    assert written(arrived) == [str(n) for n in range(13)]
    assert receiver.counters.lost == receiver.counters.late == 0
    assert receiver.next_deadline() is None


def test_what_is_missing_is_waited_for_and_then_given_up() -> None:
    receiver = UdptlReceiver()
    datagrams = stream(6, redundancy=0)
    assert written(receiver.receive(datagrams[0], 0.0)) == ["0"]
    assert receiver.receive(datagrams[2], 0.02) == []
    assert receiver.receive(datagrams[4], 0.06) == []
    assert receiver.next_deadline() == pytest.approx(0.02 + LEAST_WAIT)
    assert receiver.handle_deadline(0.11) == []
    assert written(receiver.handle_deadline(0.121)) == ["*2"]
    assert written(receiver.receive(datagrams[3], 0.13)) == ["3", "4"]
    assert receiver.counters == Counters(received=4, lost=1, longest_burst=1)


def test_a_packet_that_came_too_late_lengthens_the_wait() -> None:
    receiver = UdptlReceiver()
    datagrams = stream(300, redundancy=0)
    arrived = written(receiver.receive(datagrams[0], 0.0))
    for late in range(2, 12, 2):
        # Each second packet takes 0.3 s longer than the one behind it.
        arrived += written(receiver.receive(datagrams[late], late + 0.0))
        arrived += written(receiver.handle_deadline(min(receiver.next_deadline() or 99.0, late + 0.3)))
        arrived += written(receiver.receive(datagrams[late - 1], late + 0.3))
    assert arrived == ["0", "*2", "3", "4", "5", "6", "7", "8", "9", "10"]
    assert receiver.counters == Counters(received=10, lost=1, late=1, longest_burst=1)
    assert receiver.wait == pytest.approx(0.36)


def test_the_wait_and_what_is_held_back_have_limits() -> None:
    receiver = UdptlReceiver()
    datagrams = stream(600, redundancy=0)
    deliver(receiver, [datagrams[0], datagrams[2]])
    receiver.receive(datagrams[1], 50.0)
    assert receiver.wait == MOST_WAIT
    arrived = [each for datagram in datagrams[4:] for each in receiver.receive(datagram, 50.0)]
    assert written(arrived) == ["*4", *map(str, range(5, 600))]


def test_what_the_first_datagram_brings_along_counts() -> None:
    receiver = UdptlReceiver()
    assert deliver(receiver, stream(6)[2:]) == [str(n) for n in range(6)]
    assert receiver.counters == Counters(received=4, recovered=2, longest_burst=2)


# --- odd tails -------------------------------------------------------------------------------------------


def _without_recovery(number: int) -> bytes:
    return bytes(Datagram(number, FRAME))[:-2]


def _one_octet_more(number: int) -> bytes:
    return bytes(Datagram(number, FRAME, (FRAME,))) + b"\0"


def _cut_copy(number: int) -> bytes:
    return bytes(Datagram(number, FRAME, (PAGE,)))[:-20]


def _unknown_recovery(number: int) -> bytes:
    return bytes(Datagram(number, FRAME))[:-2] + b"\x40\1\2\3"


@pytest.mark.parametrize("odd", [_without_recovery, _one_octet_more, _cut_copy, _unknown_recovery])
@pytest.mark.parametrize("numbers", [(0, 1, 2, 3), (0, 2, 1, 3), (7, 8, 8, 9), (0, 2, 3, 4)])
def test_the_primary_of_a_datagram_with_an_odd_tail_is_taken(
    odd: Callable[[int], bytes], numbers: tuple[int, ...]
) -> None:
    receiver = UdptlReceiver()
    arrived = deliveries(receiver, map(odd, numbers))
    assert [each.number for each in arrived if each.number in numbers] == sorted(set(numbers))
    assert {each.ifp for each in arrived} == {FRAME}
    assert receiver.counters.malformed == 0


def test_the_copies_before_an_octet_too_many_are_taken() -> None:
    receiver = UdptlReceiver()
    deliver(receiver, stream(2))
    odd = bytes(Datagram(4, SIG_END, (FRAME, PREAMBLE))) + b"\0"
    assert [each.ifp for each in deliveries(receiver, [odd])] == [PREAMBLE, FRAME, SIG_END]


@sweep(push=Share.ALL, sequence=range(0, 65536, 1237))
def test_rtp_is_no_datagram_with_an_odd_tail(sequence: int) -> None:
    receiver = UdptlReceiver()
    for marker in (0x00, 0x80):
        rtp = bytes((0x80, 8 | marker)) + sequence.to_bytes(2, "big") + bytes(range(168))
        assert receiver.receive(rtp, 0.0) == []
    assert receiver.counters.malformed == 2
    assert deliver(receiver, stream(2)) == ["0", "1"]


# --- a stranger's datagrams --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [3000, 1999, 777])
def test_datagrams_whose_numbers_jump_about_cost_nothing(step: int) -> None:
    """Twenty of them between those of the call, wherever the first one is."""
    for first in range(65, 65536 - 20 * 300, 997):
        receiver = UdptlReceiver()
        now, arrived = 0.0, []
        for n, datagram in enumerate(stream(300)):
            now += 0.03
            arrived += receiver.handle_deadline(now)
            arrived += receiver.receive(datagram, now)
            if n % 15 == 7:
                number = (n + first + step * (n // 15)) % 65536
                if not -LATE_WINDOW <= (number - n + 0x8000) % 65536 - 0x8000 <= 65:
                    arrived += receiver.receive(bytes(Datagram(number, PREAMBLE)), now)
        assert written(arrived) == [str(n) for n in range(300)], first


@pytest.mark.parametrize("lost", [65, 70, 300, 1900])
def test_a_large_gap_is_gone_over_with_the_second_datagram_after_it(lost: int) -> None:
    receiver = UdptlReceiver()
    datagrams = stream(lost + 20)
    assert deliver(receiver, datagrams[:10]) == [str(n) for n in range(10)]
    assert deliver(receiver, [datagrams[lost + 10]]) == []
    expected = [f"*{lost + 7}", *(str(n) for n in range(lost + 8, lost + 20))]
    assert deliver(receiver, datagrams[lost + 11 :]) == expected
    assert receiver.counters.lost == lost - 3
    assert receiver.counters.late == 0


# --- hostile ---------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=40) | st.sampled_from(stream(40)), max_size=60))
@settings(max_examples=150)
def test_every_datagram_is_counted_and_none_raises(datagrams: list[bytes]) -> None:
    receiver = UdptlReceiver()
    for number, datagram in enumerate(datagrams):
        receiver.receive(datagram, number * 0.01)
        due = receiver.next_deadline()
        assert due is None or due <= number * 0.01 + MOST_WAIT
    receiver.handle_deadline(len(datagrams) + MOST_WAIT)
    assert receiver.next_deadline() is None
    counters = receiver.counters
    assert counters.received + counters.duplicates + counters.late + counters.malformed == len(datagrams)
