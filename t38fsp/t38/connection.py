"""T.38 over TCP in SDP: ``m=image PORT TCP t38``, and which side opens the connection (RFC 4145).

Without ``a=setup`` the default is that the side that offers connects.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

from sip.syntax.sdp import Attribute, MediaDescription

PROTOCOL = "tcp"
DISCARD = 9
"""The port that a side writes if it connects and does not listen (RFC 4145 4.1)."""

# There are neither datagrams nor losses on TCP.
_UDP_ONLY = frozenset({"t38faxudpec", "t38faxmaxdatagram"})


class Setup(Enum):
    """``a=setup``, from the view of the side that wrote it (RFC 4145 4)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
    HOLDCONN = "holdconn"

    @classmethod
    def of_offer(cls, media: MediaDescription) -> Setup:
        """The value in an offer; missing or invalid, it is ``active``."""
        value = (media.get("setup") or "").strip().lower()
        return cls(value) if value in _VALUES else cls.ACTIVE

    @property
    def answered(self) -> Setup | None:
        """Our answer to this offer, active in preference to passive; None for ``holdconn``."""
        return _ANSWERS.get(self)


_VALUES = frozenset(setup.value for setup in Setup)
_ANSWERS = {Setup.ACTIVE: Setup.PASSIVE, Setup.PASSIVE: Setup.ACTIVE, Setup.ACTPASS: Setup.ACTIVE}


def over_tcp(media: MediaDescription, setup: Setup) -> MediaDescription:
    """Convert a description of T.38 over UDPTL to one over a new TCP connection."""
    kept = [attribute for attribute in media.attributes if attribute.name.lower() not in _UDP_ONLY]
    return replace(
        media,
        protocol=PROTOCOL,
        port=DISCARD if setup is Setup.ACTIVE else media.port,
        attributes=(*kept, Attribute("setup", setup.value), Attribute("connection", "new")),
    )
