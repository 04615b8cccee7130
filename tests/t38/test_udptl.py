"""UDPTL: worked examples, loss patterns, numbering, parity, and datagrams that are none."""

import itertools
import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t38fsp.t38.receiving import LEAST_WAIT, MOST_WAIT, Delivery, UdptlReceiver
from t38fsp.t38.udptl import Counters, Datagram, ParitySender, UdptlError, UdptlSender

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


def test_the_sender_of_parity_counts_from_0_and_widens_with_what_it_has() -> None:
    sender = ParitySender(2, 2, max_datagram=400)
    sent = [Datagram.parse(sender.wrap(bytes((1 << n,)) * (n + 1))) for n in range(6)]
    assert [each.number for each in sent] == list(range(6))
    assert [(each.span, each.parity) for each in sent] == [
        (0, None),
        (1, (b"\x01",)),  # a copy of 0
        (1, (b"\x01", b"\x02\x02")),  # of 0 and of 1
        (1, (b"\x02\x02", b"\x04\x04\x04")),
        (2, (b"\x05\x04\x04", b"\x0a\x0a\x08\x08")),  # 0 with 2, and 1 with 3
        (2, (b"\x0a\x0a\x08\x08", b"\x14\x14\x14\x10\x10")),
    ]


@pytest.mark.parametrize("lost", range(1, 12))
def test_parity_restores_a_loss_at_the_very_beginning(lost: int) -> None:
    sender = ParitySender(3, 3, max_datagram=400)
    datagrams = [sender.wrap(packet(n) + b"\1") for n in range(15)]
    del datagrams[lost]
    assert deliver(UdptlReceiver(), datagrams) == [str(256 * n + 1) for n in range(15)]


@pytest.mark.parametrize("strings", [1, 3, 5])
@pytest.mark.parametrize("span", [1, 4])
def test_parity_as_it_is_sent_restores_a_burst_of_as_many_losses(strings: int, span: int) -> None:
    sender = ParitySender(strings, span, max_datagram=400)
    datagrams = [sender.wrap(packet(n) + b"\1") for n in range(60)]
    receiver = UdptlReceiver()
    del datagrams[40 : 40 + strings]
    assert len(deliveries(receiver, datagrams)) == 60
    assert receiver.counters == Counters(received=60 - strings, recovered=strings, longest_burst=strings)


def test_parity_gives_way_when_a_datagram_would_be_too_long() -> None:
    sender = ParitySender(5, 1, max_datagram=150)
    sent = [Datagram.parse(sender.wrap(bytes(size))) for size in [10] * 6 + [100] * 2]
    assert [len(each.parity or ()) for each in sent] == [0, 1, 2, 3, 4, 5, 3, 0]
    with pytest.raises(UdptlError, match="do not fit"):
        sender.wrap(bytes(150))
    with pytest.raises(UdptlError, match="not possible"):
        ParitySender(6, 3, max_datagram=400)


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


def packet(number: int) -> bytes:
    return b"\xc0" + number.to_bytes(4, "big")


def stream(count: int, *, redundancy: int = 3, first: int = 0) -> list[bytes]:
    sender = UdptlSender(redundancy, 1400)
    sender.number = first & 0xFFFF
    return [sender.wrap(packet(first + n)) for n in range(count)]


def deliveries(receiver: UdptlReceiver, datagrams: Iterable[bytes]) -> list[Delivery]:
    """What comes out, when nothing is left to wait for."""
    received = [each for datagram in datagrams for each in receiver.receive(datagram, 0.0)]
    return received + receiver.handle_deadline(MOST_WAIT)


def deliver(receiver: UdptlReceiver, datagrams: Iterable[bytes]) -> list[str]:
    """What comes out: packet numbers, with ``*`` behind a gap."""
    return written(deliveries(receiver, datagrams))


def written(delivered: Iterable[Delivery]) -> list[str]:
    return [f"{'*' if each.after_gap else ''}{int.from_bytes(each.ifp[1:], 'big')}" for each in delivered]


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


@pytest.mark.parametrize("seed", range(10))
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


# --- parity ----------------------------------------------------------------------------------------------


def parity_stream(count: int, *, strings: int, span: int, counted: bool) -> list[bytes]:
    """As implementations send it; ``counted`` puts a length before each primary."""
    primaries = [packet(n) + bytes((n % 7,)) * (n % 5 + 1) + b"\1" for n in range(count)]
    datagrams = []
    for n, primary in enumerate(primaries):
        parity = []
        for m in range(strings):
            group = range(n + m - span * strings, n, strings)
            if group and group[0] >= 0:
                parity.append(_xor([_counted(primaries[k]) if counted else primaries[k] for k in group]))
        complete = len(parity) == strings
        datagrams.append(
            Datagram(n, primary, parity=tuple(parity), span=span) if complete else Datagram(n, primary)
        )
    return [bytes(each) for each in datagrams]


def _counted(primary: bytes) -> bytes:
    return len(primary).to_bytes(2, "big") + primary


def _xor(strings: list[bytes]) -> bytes:
    out = bytearray(max(map(len, strings)))
    for string in strings:
        for at, octet in enumerate(string):
            out[at] ^= octet
    return bytes(out)


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize(
    ("strings", "span", "burst"), [(1, 3, 1), (3, 3, 1), (3, 3, 3), (4, 2, 4), (2, 5, 2)]
)
def test_parity_restores_as_many_losses_in_a_row_as_there_are_strings(
    strings: int, span: int, burst: int, counted: bool
) -> None:
    datagrams = parity_stream(60, strings=strings, span=span, counted=counted)
    whole = [each.ifp for each in deliveries(UdptlReceiver(), datagrams)]
    receiver = UdptlReceiver()
    arrived = deliveries(receiver, datagrams[:40] + datagrams[40 + burst :])
    assert receiver.counters == Counters(received=60 - burst, recovered=burst, longest_burst=burst)
    assert not any(each.after_gap for each in arrived)
    for expected, each in zip(whole, arrived, strict=True):
        assert each.ifp[: len(expected)] == expected
        assert not each.ifp[len(expected) :].strip(b"\0")
        assert each.padded or each.ifp == expected


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("lost", [None, 20, 24, 27])
def test_parity_of_a_peer_that_counts_from_ffff_to_1(counted: bool, lost: int | None) -> None:
    datagrams = parity_stream(50, strings=3, span=3, counted=counted)
    numbers = [0x10000 - 25 + n if n < 25 else n - 24 for n in range(50)]
    renumbered = [
        number.to_bytes(2, "big") + each[2:] for number, each in zip(numbers, datagrams, strict=True)
    ]
    if lost is not None:
        del renumbered[lost]
    receiver = UdptlReceiver()
    arrived = deliveries(receiver, renumbered)
    assert [int.from_bytes(each.ifp[1:5], "big") for each in arrived] == [
        # Right before the wrap nobody can tell what is missing, and nothing is made up.
        n
        for n in range(50)
        if n != lost or lost != 24
    ]


@pytest.mark.parametrize("span", [2, 3, 4])
def test_parity_makes_no_packet_that_never_was(span: int) -> None:
    """Packets of zeros between short ones fit either reading of parity."""
    training = bytes.fromhex("d001e00035") + bytes(54)
    short = [bytes.fromhex(octets) for octets in ("00", "d00170", "1e", "06")]
    chance = random.Random(span)
    primaries = [chance.choice([training, training, training[:20], *short]) for _ in range(400)]
    sender = ParitySender(3, span, 1400)
    datagrams = [sender.wrap(primary) for primary in primaries]
    receiver = UdptlReceiver()
    left = [datagram for n, datagram in enumerate(datagrams) if n < 20 or chance.random() > 0.15]
    arrived = deliveries(receiver, left)
    assert receiver.counters.recovered > 20
    for each in arrived:
        original = primaries[each.number]
        assert each.ifp == original or (each.padded and each.ifp.rstrip(b"\0") == original.rstrip(b"\0"))


def test_parity_beyond_what_is_kept_is_ignored() -> None:
    receiver = UdptlReceiver()
    numbers = (0, 1, 2, 6)
    deliver(receiver, [bytes(Datagram(n, packet(n), parity=(b"\1",) * 100, span=255)) for n in numbers])
    assert receiver.counters == Counters(received=4, lost=3, longest_burst=3)


# --- hostile ---------------------------------------------------------------------------------------------


def test_parity_over_more_than_is_kept_does_not_confirm_a_jump() -> None:
    """Looking for all that it claims to cover would take the time of hundreds of datagrams."""
    receiver = UdptlReceiver()
    deliver(receiver, [bytes(Datagram(n, b"", parity=(b"",), span=1)) for n in range(200)])
    ahead = bytes(Datagram(5000, packet(5000), parity=(b"",) * 127, span=255))
    assert deliver(receiver, [ahead]) == []
    assert receiver.counters.late == 1


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
