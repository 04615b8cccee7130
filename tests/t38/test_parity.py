"""Parity in UDPTL: what is sent, what it restores, and where it restores nothing."""

from __future__ import annotations

import random

import pytest

from t38fsp.t38.receiving import UdptlReceiver
from t38fsp.t38.udptl import Counters, Datagram, ParitySender, UdptlError
from tests.t38.streams import deliver, deliveries, packet


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


# --- what others send --------------------------------------------------------------------------------------


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


def test_parity_over_more_than_is_kept_does_not_confirm_a_jump() -> None:
    """Looking for all that it claims to cover would take the time of hundreds of datagrams."""
    receiver = UdptlReceiver()
    deliver(receiver, [bytes(Datagram(n, b"", parity=(b"",), span=1)) for n in range(200)])
    ahead = bytes(Datagram(5000, packet(5000), parity=(b"",) * 127, span=255))
    assert deliver(receiver, [ahead]) == []
    assert receiver.counters.late == 1
