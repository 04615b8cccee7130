"""The SDP attribute by which two internet-aware terminals recognise each other, with no gateway between them.

``a=X-T38InternetAware:HASH`` is an attribute of the ``m=image`` line. DIS bits (T.30 table 2, bit 123) prove
nothing, since gateways pass them through. Unknown attributes may pass through too: some session border
controllers copy them from one leg to the other. So the value is bound to the media address and port beside
it: a gateway must put its own media address into the description, after which the value no longer matches.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from sip.syntax.sdp import Attribute, MediaDescription, canonical_host

NAME = "X-T38InternetAware"

_DIGITS = 16


def attribute_value(host: str, port: int) -> str:
    """16 hexadecimal digits for the media address ``host`` (an IP address or a name) and ``port``.

    A hash rather than the address itself: routers that rewrite addresses in SDP would rewrite that here too.
    """
    return hashlib.sha256(f"{canonical_host(host)} {port}".encode("utf-8", "replace")).hexdigest()[:_DIGITS]


def with_attribute(media: MediaDescription, host: str) -> MediaDescription:
    """``media`` with the attribute added for ``host``, the address where it is received."""
    return replace(media, attributes=(*media.attributes, Attribute(NAME, attribute_value(host, media.port))))


def has_attribute(media: MediaDescription, host: str) -> bool:
    """Whether ``media``, received at ``host``, has a matching attribute; of several the first counts."""
    value = media.get(NAME)
    return value is not None and value.strip().lower() == attribute_value(host, media.port)
