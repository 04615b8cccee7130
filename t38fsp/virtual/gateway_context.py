"""What a virtual gateway's call is given by its host, and what it gives to the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from sip.line import SipLine
from sip.values import Address


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A datagram to send from an address of ours."""

    source: Address
    destination: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class GatewayContext:
    """What a call needs of its host. ``open_media`` makes an address to send from and receive at.

    ``call_number`` counts the calls that come in, from 1 up.
    """

    line: SipLine
    open_media: Callable[[], Address]
    random: Random
    call_number: int = 1
