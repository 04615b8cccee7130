"""The torture test messages of RFC 4475."""

from __future__ import annotations

import re
from pathlib import Path


def read_messages() -> dict[str, bytes]:
    """The messages of ``rfc4475.txt`` by their names."""
    text = Path(__file__).with_name("rfc4475.txt").read_text("ascii")
    _, *sections = re.split(r"^\[(\w+)\]\n", text, flags=re.MULTILINE)
    return {name: message(lines) for name, lines in zip(sections[::2], sections[1::2], strict=True)}


def message(text: str) -> bytes:
    """A message from its text in the notation of RFC 4475 2."""
    # The blank line behind it belongs to the file.
    text = text.removesuffix("\n")
    text = re.sub(
        r"<allOneLine>\n(.*?)</allOneLine>", lambda m: m[1].replace("\n", ""), text, flags=re.DOTALL
    )
    text = re.sub(r"<repeat count=(\d+)>(.*?)</repeat>", lambda m: m[2] * int(m[1]), text)
    text = re.sub(r"<sdp ([0-9.]+)>\n", lambda m: body(m[1]), text).replace("\n", "\r\n")
    octets = re.split(r"<hex>([0-9A-F]*)</hex>", text)
    return b"".join(
        bytes.fromhex(part) if number % 2 else part.encode("ascii") for number, part in enumerate(octets)
    )


def body(address: str) -> str:
    return (
        f"v=0\no=mhandley 29739 7272939 IN IP4 {address}\ns=-\nc=IN IP4 {address}\nt=0 0\n"
        "m=audio 49217 RTP/AVP 0 12\nm=video 3227 RTP/AVP 31\na=rtpmap:31 LPC\n"
    )


MESSAGES = read_messages()
