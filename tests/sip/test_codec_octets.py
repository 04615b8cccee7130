"""A field of octets in a message: behind the JSON of its frame, and checked as strictly."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.ipc.codec import LENGTH_OCTETS, Codec, WireError


@dataclass(frozen=True, slots=True)
class Page:
    number: int
    octets: bytes
    mode: str


@dataclass(frozen=True, slots=True)
class Perhaps:
    octets: bytes | None


@dataclass(frozen=True, slots=True)
class Two:
    first: bytes
    second: bytes


@dataclass(frozen=True, slots=True)
class Plain:
    number: int


CODEC: Codec[Page | Perhaps | Two | Plain] = Codec(Page | Perhaps | Two | Plain, max_frame=1000)


@given(st.lists(st.builds(Page, st.integers(), st.binary(max_size=100), st.text(max_size=9)), max_size=4))
def test_octets_survive_the_pipe_however_it_is_cut(pages: list[Page]) -> None:
    stream = b"".join(map(CODEC.encode, pages))
    decoder = CODEC.decoder()
    assert [page for at in range(len(stream)) for page in decoder.feed(stream[at : at + 1])] == pages


@pytest.mark.parametrize("message", [Perhaps(None), Perhaps(b""), Perhaps(b"\0\0"), Page(1, b"", "")])
def test_no_octets_are_not_none(message: Page | Perhaps) -> None:
    assert CODEC.decoder().feed(CODEC.encode(message)) == [message]


def test_octets_go_as_they_are() -> None:
    assert CODEC.encode(Page(1, b"\0\xff", "x"))[LENGTH_OCTETS:] == b'["Page",1,2,"x"]\0\0\xff'


@pytest.mark.parametrize(
    "body",
    [
        b'["Page",1,2,"x"]',
        b'["Page",1,2,"x"]\0a',
        b'["Page",1,2,"x"]\0abc',
        b'["Page",1,0,"x"]',
        b'["Page",1,1.0,"x"]\0a',
        b'["Page",1,true,"x"]\0a',
        b'["Page",1,"a","x"]\0a',
        b'["Page",1,null,"x"]\0a',
        b'["Plain",1]\0',
        b'["Plain",1]\0a',
        b'["Perhaps",null]\0a',
        b'["Two",1,1]\0a',
        b"\0a",
    ],
)
def test_octets_that_do_not_fit_the_message_are_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        CODEC.decode(body)


def test_a_frame_has_room_for_one_field_of_octets() -> None:
    with pytest.raises(WireError, match="a Two has 2 fields of octets"):
        CODEC.encode(Two(b"a", b"b"))


def test_octets_count_for_the_length_of_a_frame() -> None:
    with pytest.raises(WireError, match="longer than 1000"):
        CODEC.encode(Page(1, bytes(1000), ""))
