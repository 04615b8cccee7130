"""Reliable provisional responses: what both sides write of them in headers (RFC 3262 7)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sip.errors import ParseError
from sip.message import CSeq, Headers, Request, Response

OPTION = "100rel"
"""In Supported and Require."""
FIRST_LIMIT = 2**31
"""RSeq begins below this (RFC 3262 3)."""

_NUMBER = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class RAck:
    """The response that a PRACK acknowledges."""

    number: int
    """Its RSeq."""
    cseq: CSeq

    @classmethod
    def parse(cls, text: str) -> RAck:
        """Read the value of the header; raises ParseError."""
        number, _, cseq = text.strip().partition(" ")
        if not _NUMBER.fullmatch(number):
            raise ParseError(f"RAck {text[:40]!r} does not begin with a number")
        return cls(int(number), CSeq.parse(cseq))

    @classmethod
    def of(cls, prack: Request) -> RAck | None:
        """None without one that can be read."""
        try:
            return cls.parse(prack.headers.get("RAck") or "")
        except ParseError:
            return None

    def __str__(self) -> str:
        return f"{self.number} {self.cseq}"


def required(headers: Headers) -> bool:
    return OPTION in (name.lower() for name in headers.get_all("Require"))


def sequence(response: Response) -> int | None:
    """The RSeq of a reliable provisional response; None when it is not reliable (RFC 3262 4)."""
    number = (response.headers.get("RSeq") or "").strip()
    return int(number) if required(response.headers) and _NUMBER.fullmatch(number) else None
