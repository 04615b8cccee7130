from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from t38fsp.audio.g711 import Law, decode, encode
from tests.audio import spandsp_audio

ALL_OCTETS = bytes(range(256))
ALL_SAMPLES = array("h", range(-32768, 32768))

both_laws = pytest.mark.parametrize("law", list(Law))


@both_laws
@pytest.mark.spandsp
def test_every_octet_and_every_sample_as_spandsp_codes_them(law: Law) -> None:
    assert decode(ALL_OCTETS, law) == spandsp_audio.decode(ALL_OCTETS, law)
    assert encode(ALL_SAMPLES, law) == spandsp_audio.encode(ALL_SAMPLES, law)


def test_the_corners_of_the_tables() -> None:
    # G.711 tables 1a and 2a: full scale is +-4032 of 4096 and +-8031 of 8159.
    assert list(decode(b"\xaa\x2a\xd5\x55", Law.PCMA)) == [32256, -32256, 8, -8]
    assert list(decode(b"\x80\x00\xff\x7f", Law.PCMU)) == [32124, -32124, 0, 0]
    assert encode(array("h", [0, 32767, -32768]), Law.PCMU) == b"\xff\x80\x00"
    assert encode(array("h", [0, 32767, -32768]), Law.PCMA) == b"\xd5\xaa\x2a"


@both_laws
def test_octets_survive_decoding_and_coding(law: Law) -> None:
    again = encode(decode(ALL_OCTETS, law), law)
    # mu-law has two zeros; the negative one comes back as the positive one.
    assert again == (ALL_OCTETS.replace(b"\x7f", b"\xff") if law is Law.PCMU else ALL_OCTETS)


@both_laws
@given(sample=st.integers(-32768, 32767))
def test_the_error_is_at_most_half_a_step(law: Law, sample: int) -> None:
    again = decode(encode(array("h", [sample]), law), law)[0]
    # 32 steps double the magnitude with its bias, which is 132 in mu-law.
    assert abs(again - sample) <= max(16, (abs(sample) + 132) / 32, 650 if abs(sample) > 32000 else 0)


@both_laws
def test_silence(law: Law) -> None:
    assert encode(array("h", [0]), law) == bytes([law.silence])
    assert encode(array("h"), law) == b""
    assert decode(b"", law) == array("h")
