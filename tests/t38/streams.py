"""Streams of numbered packets in UDPTL datagrams, and what comes out of them at the far end."""

from __future__ import annotations

from collections.abc import Iterable

from t38fsp.t38.receiving import MOST_WAIT, Delivery, UdptlReceiver
from t38fsp.t38.udptl import UdptlSender


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
