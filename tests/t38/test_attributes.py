"""T.38 attributes: what peers write, what we answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.syntax.sdp import Attribute, MediaDescription, SessionDescription
from t38fsp.t38.attributes import ErrorCorrection, RateManagement, T38Parameters, answer


def media(*lines: str) -> MediaDescription:
    """A media description as it comes out of a body with these attributes."""
    body = "\r\n".join(["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0"])
    body += "\r\nm=image 4000 udptl t38\r\n" + "".join(f"a={line}\r\n" for line in lines)
    return SessionDescription.parse(body).media[0]


def read(*lines: str) -> T38Parameters:
    return T38Parameters.from_media(media(*lines))


def test_what_asterisk_offers() -> None:
    assert read(
        "T38FaxVersion:0",
        "T38MaxBitRate:14400",
        "T38FaxRateManagement:transferredTCF",
        "T38FaxMaxDatagram:1400",
        "T38FaxUdpEC:t38UDPRedundancy",
    ) == T38Parameters(max_buffer=None, max_datagram=1400)


def test_no_attributes_at_all() -> None:
    assert read() == T38Parameters(
        version=0,
        max_bit_rate=14400,
        rate_management=RateManagement.TRANSFERRED_TCF,
        max_buffer=None,
        max_datagram=400,
        error_correction=None,
    )
    assert read().accepts_redundancy


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("T38FaxVersion:3", "version", 3),
        ("t38faxversion: 2", "version", 2),
        ("T38FaxVersion:x", "version", 0),
        ("T38maxBitRate:9600", "max_bit_rate", 9600),
        ("T38FaxMaxRate:4800", "max_bit_rate", 4800),
        ("T38MaxBitRate", "max_bit_rate", 14400),
        ("T38MaxBitRate:0", "max_bit_rate", 14400),
        ("T38MaxBitRate:14.4", "max_bit_rate", 14400),
        ("T38FaxFillBitRemoval", "fill_bit_removal", True),
        ("T38FaxFillBitRemoval:1", "fill_bit_removal", True),
        ("T38FaxFillBitRemoval:0", "fill_bit_removal", False),
        ("T38FaxTranscodingMMR", "transcoding_mmr", True),
        ("T38FaxTranscodingMMR:FALSE", "transcoding_mmr", False),
        ("T38FaxTranscodingJBIG:0", "transcoding_jbig", False),
        ("T38FaxTranscodingJBIG:0", "boolean_values", True),
        ("T38FaxTranscodingJBIG", "boolean_values", False),
        ("T38FaxRateManagement:localTCF", "rate_management", RateManagement.LOCAL_TCF),
        ("T38FaxRateManagement:localTFC", "rate_management", RateManagement.LOCAL_TCF),
        ("T38FaxRateManagement:TransferredTCF", "rate_management", RateManagement.TRANSFERRED_TCF),
        ("T38FaxRateManagement", "rate_management", RateManagement.TRANSFERRED_TCF),
        ("T38FaxMaxBuffer:72", "max_buffer", 72),
        ("T38FaxMaxBuffer:0", "max_buffer", None),
        ("T38FaxMaxDatagram:320", "max_datagram", 320),
        ("T38MaxDatagram:320", "max_datagram", 320),
        ("T38FaxMaxDatagram:1500", "max_datagram", 1400),
        ("T38FaxMaxDatagram:0", "max_datagram", 400),
        ("T38FaxMaxDatagram:99999999999999", "max_datagram", 1400),
        ("T38FaxMaxDatagram:72", "max_ifp", None),
        ("T38FaxMaxDatagram:72", "max_datagram", 72),
        ("T38FaxMaxDatagram:39", "max_datagram", 400),
        ("T38FaxMaxIFP:40", "max_ifp", 40),
        ("T38FaxMaxIFP:3", "max_ifp", None),
        ("T38FaxUdpEC:t38UDPNoEC", "error_correction", ErrorCorrection.NONE),
        ("T38FaxUdpEC:T38UDPRedundancy", "error_correction", ErrorCorrection.REDUNDANCY),
        ("T38FaxUdpEC:t38UDPFEC", "error_correction", ErrorCorrection.FEC),
        ("T38FaxUdpEC:somethingElse", "error_correction", None),
        ("T38VendorInfo:0 0 0", "version", 0),
    ],
)
def test_attributes_as_they_are_written(line: str, field: str, value: object) -> None:
    assert getattr(read(line), field) == value


def test_of_two_corrections_the_common_one_counts() -> None:
    both = read("T38FaxUdpEC:t38UDPFEC", "T38FaxUdpEC:t38UDPRedundancy")
    assert both.error_correction is ErrorCorrection.REDUNDANCY


def test_what_we_offer() -> None:
    offer = T38Parameters().to_media(40002)
    assert (offer.kind, offer.port, offer.protocol, offer.formats) == ("image", 40002, "udptl", ("t38",))
    assert [str(each) for each in offer.attributes] == [
        "T38FaxVersion:0",
        "T38MaxBitRate:14400",
        "T38FaxRateManagement:transferredTCF",
        "T38FaxMaxBuffer:2000",
        "T38FaxMaxDatagram:1400",
        "T38FaxUdpEC:t38UDPRedundancy",
    ]


@pytest.mark.parametrize(
    ("style", "lines"),
    [
        (False, ["T38FaxTranscodingMMR"]),
        (True, ["T38FaxFillBitRemoval:0", "T38FaxTranscodingMMR:1", "T38FaxTranscodingJBIG:0"]),
    ],
)
def test_booleans_in_both_styles(style: bool, lines: list[str]) -> None:
    written = T38Parameters(transcoding_mmr=True, boolean_values=style).to_media(4000)
    assert [str(each) for each in written.attributes][2:-4] == lines


@given(
    st.builds(
        T38Parameters,
        version=st.integers(0, 4),
        max_bit_rate=st.sampled_from([2400, 9600, 14400, 33600]),
        fill_bit_removal=st.booleans(),
        transcoding_mmr=st.booleans(),
        transcoding_jbig=st.booleans(),
        rate_management=st.sampled_from(RateManagement),
        max_buffer=st.none() | st.integers(24, 100_000),
        max_datagram=st.integers(100, 1400),
        error_correction=st.none() | st.sampled_from(ErrorCorrection),
        boolean_values=st.just(True),
    )
)
@settings(max_examples=50)
def test_what_is_written_is_read_again(parameters: T38Parameters) -> None:
    assert T38Parameters.from_media(parameters.to_media(4000)) == parameters


# --- answers ---------------------------------------------------------------------------------------------

OURS = T38Parameters()


@pytest.mark.parametrize(
    ("offered", "ours", "answered"),
    [(0, 0, 0), (0, 3, 0), (1, 3, 0), (2, 0, 0), (2, 3, 2), (3, 3, 3), (4, 3, 3)],
)
def test_the_lower_version_but_never_1(offered: int, ours: int, answered: int) -> None:
    found = answer(T38Parameters(version=offered), T38Parameters(version=ours))
    assert found is not None
    assert found.version == answered


def test_a_boolean_needs_both_sides() -> None:
    every = T38Parameters(fill_bit_removal=True, transcoding_mmr=True, transcoding_jbig=True)
    assert answer(every, OURS) == OURS
    assert answer(OURS, every) == OURS
    assert answer(every, every) == every


def test_booleans_are_answered_in_the_style_of_the_offer() -> None:
    offer = read("T38FaxFillBitRemoval:0", "T38FaxTranscodingMMR:0", "T38FaxTranscodingJBIG:0")
    answered = answer(offer, OURS)
    assert answered is not None
    assert Attribute("T38FaxTranscodingMMR", "0") in answered.to_media(4000).attributes


@pytest.mark.parametrize(
    ("offered", "ours", "answered"),
    [
        (None, ErrorCorrection.REDUNDANCY, ErrorCorrection.REDUNDANCY),
        (ErrorCorrection.NONE, ErrorCorrection.REDUNDANCY, ErrorCorrection.NONE),
        (ErrorCorrection.REDUNDANCY, ErrorCorrection.REDUNDANCY, ErrorCorrection.REDUNDANCY),
        (ErrorCorrection.REDUNDANCY, ErrorCorrection.NONE, ErrorCorrection.NONE),
        (ErrorCorrection.REDUNDANCY, ErrorCorrection.FEC, ErrorCorrection.REDUNDANCY),
        (ErrorCorrection.FEC, ErrorCorrection.REDUNDANCY, ErrorCorrection.REDUNDANCY),
        (ErrorCorrection.FEC, ErrorCorrection.FEC, ErrorCorrection.FEC),
        (ErrorCorrection.FEC, None, ErrorCorrection.REDUNDANCY),
    ],
)
def test_error_correction(
    offered: ErrorCorrection | None, ours: ErrorCorrection | None, answered: ErrorCorrection
) -> None:
    found = answer(T38Parameters(error_correction=offered), T38Parameters(error_correction=ours))
    assert found is not None
    assert found.error_correction is answered


def test_local_tcf_is_refused() -> None:
    assert answer(read("T38FaxRateManagement:localTCF"), OURS) is None


def test_sizes_are_each_sides_own_and_the_rate_is_the_lower_one() -> None:
    answered = answer(read("T38MaxBitRate:9600", "T38FaxMaxDatagram:72", "T38FaxMaxBuffer:200"), OURS)
    assert answered == T38Parameters(max_bit_rate=9600)


@given(
    st.lists(
        st.builds(
            Attribute,
            st.sampled_from(
                ["T38FaxVersion", "T38MaxBitRate", "T38FaxMaxDatagram", "t38faxudpec", "T38FaxMaxIFP"]
            )
            | st.text(max_size=20),
            st.none() | st.text(max_size=12) | st.integers().map(str),
        ),
        max_size=12,
    )
)
@settings(max_examples=150)
def test_whatever_is_written_a_terminal_can_be_made_of_it(attributes: list[Attribute]) -> None:
    found = T38Parameters.from_media(MediaDescription("image", 1, "udptl", ("t38",), tuple(attributes)))
    assert 40 <= found.max_datagram <= 1400
    assert found.max_ifp is None or found.max_ifp >= 24
    assert found.version >= 0
    assert answer(found, OURS) is not None
