"""The mark by which two terminals know in SDP that they are such, and have nothing between them.

``a=X-T38InternetAware:HASH`` stands on the ``m=image`` line. DIS bits prove nothing, for they travel through
gateways. Attributes that nobody knows may travel too: some session border controllers copy them from one leg
to the other. So the mark is bound to the media address and port that stand beside it: whoever puts its own
media address into the description, as every gateway must, leaves a mark that does not fit any more.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from sip.syntax.sdp import Attribute, MediaDescription, canonical_host

NAME = "X-T38InternetAware"

_DIGITS = 16


def mark_of(host: str, port: int) -> str:
    """16 hexadecimal digits for the media address ``host`` (an IP address or a name) and ``port``.

    A hash and not the address itself, which routers that rewrite addresses in SDP would rewrite here as well.
    """
    return hashlib.sha256(f"{canonical_host(host)} {port}".encode("utf-8", "replace")).hexdigest()[:_DIGITS]


def marked(media: MediaDescription, host: str) -> MediaDescription:
    """The same with the mark of ``host``, where it is received."""
    return replace(media, attributes=(*media.attributes, Attribute(NAME, mark_of(host, media.port))))


def is_marked(media: MediaDescription, host: str) -> bool:
    """Whether ``media``, received at ``host``, has the mark that fits; of several marks the first counts."""
    value = media.get(NAME)
    return value is not None and value.strip().lower() == mark_of(host, media.port)
