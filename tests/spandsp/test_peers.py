"""The spandsp test peers against each other: what a test of the product may rely on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers import spandsp
from tests.peers.endpoint import SpandspEndpoint
from tests.peers.gateway import SpandspGateway
from tests.peers.libtiff import assert_same_pages, tiffcp, tiffinfo
from tests.peers.machine import Role
from tests.peers.pages import text_page, write_document
from tests.peers.programs import PeerMissingError
from tests.peers.realtime import RealTimePeer, udp_socket
from tests.peers.simulated import CallNeverEndedError, run
from tests.peers.spandsp import Compressions, Modems
from tests.peers.terminal import SpandspTerminal
from tests.peers.udptl import ParitySender, UdptlError, UdptlReceiver, UdptlSender, parse

pytestmark = pytest.mark.spandsp


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Two pages of different length."""
    return write_document(tmp_path / "sent.tif", [text_page(seed=1), text_page(seed=2, rows=700)])


@pytest.mark.parametrize("ecm", [True, False], ids=["ecm", "no-ecm"])
@pytest.mark.parametrize("version", [0, 2])
def test_terminal_to_terminal(document: Path, tmp_path: Path, ecm: bool, version: int) -> None:
    received = tmp_path / "received.tif"
    caller = SpandspTerminal(Role.CALLING, tx_file=document, station_id="+15550101", version=version, ecm=ecm)
    callee = SpandspTerminal(
        Role.ANSWERING, rx_file=received, station_id="+15550102", version=version, ecm=ecm
    )

    call = run(SpandspEndpoint(caller), SpandspEndpoint(callee))

    assert caller.machine.completion is not None
    assert caller.machine.completion.ok, caller.machine.completion.text
    assert callee.machine.completion is not None
    assert callee.machine.completion.ok, callee.machine.completion.text
    assert assert_same_pages(document, received) == 2
    assert caller.machine.page_responses == ["MCF", "MCF"]
    assert (caller.machine.far_ident, callee.machine.far_ident) == ("+15550102", "+15550101")
    figures = callee.machine.statistics
    assert (figures.bit_rate, figures.pages_rx, bool(figures.error_correcting_mode)) == (14400, 2, ecm)
    assert 40 < call.seconds < 70


@pytest.mark.parametrize("ecm", [True, False], ids=["ecm", "no-ecm"])
@pytest.mark.parametrize("audio_fax", [Role.ANSWERING, Role.CALLING], ids=["to-gateway", "from-gateway"])
def test_terminal_and_gateway(document: Path, tmp_path: Path, audio_fax: Role, ecm: bool) -> None:
    received = tmp_path / "received.tif"
    caller: SpandspTerminal | SpandspGateway
    callee: SpandspTerminal | SpandspGateway
    if audio_fax is Role.ANSWERING:
        caller = SpandspTerminal(Role.CALLING, tx_file=document, ecm=ecm)
        callee = SpandspGateway(Role.ANSWERING, rx_file=received, ecm=ecm)
    else:
        caller = SpandspGateway(Role.CALLING, tx_file=document, ecm=ecm)
        callee = SpandspTerminal(Role.ANSWERING, rx_file=received, ecm=ecm)

    run(SpandspEndpoint(caller), SpandspEndpoint(callee))

    for party in (caller, callee):
        assert party.machine.completion is not None
        assert party.machine.completion.ok, party.machine.completion.text
    assert assert_same_pages(document, received) == 2


def test_capabilities_limit_the_call(document: Path, tmp_path: Path) -> None:
    received = tmp_path / "received.tif"
    caller = SpandspTerminal(Role.CALLING, tx_file=document)
    callee = SpandspTerminal(
        Role.ANSWERING,
        rx_file=received,
        modems=Modems.V27TER,
        compressions=Compressions.MH,
        ecm=False,
        scan_line_time=10,
    )

    run(SpandspEndpoint(caller), SpandspEndpoint(callee))

    assert assert_same_pages(document, received) == 2
    assert (callee.machine.statistics.bit_rate, callee.machine.statistics.encoding) == (4800, 1)


@pytest.mark.parametrize("seed", range(3))
def test_redundancy_repairs_loss(document: Path, tmp_path: Path, seed: int) -> None:
    received = tmp_path / "received.tif"
    caller = SpandspEndpoint(SpandspTerminal(Role.CALLING, tx_file=document))
    callee = SpandspEndpoint(SpandspTerminal(Role.ANSWERING, rx_file=received))

    call = run(caller, callee, loss=0.05, jitter=0.01, seed=seed)

    assert call.lost > 50
    assert callee.receiver.recovered > 20
    assert caller.machine.completion is not None
    assert caller.machine.completion.ok
    assert assert_same_pages(document, received) == 2


def test_a_call_repeats_exactly(document: Path, tmp_path: Path) -> None:
    def call(name: str) -> tuple[float, int, list[bytes]]:
        caller = SpandspEndpoint(SpandspTerminal(Role.CALLING, tx_file=document))
        callee = SpandspEndpoint(SpandspTerminal(Role.ANSWERING, rx_file=tmp_path / name))
        outcome = run(caller, callee, loss=0.2, jitter=0.05, seed=7)
        return outcome.seconds, outcome.lost, callee.ifps_received

    assert call("one.tif") == call("other.tif")


def test_a_dropped_call_is_told(document: Path, tmp_path: Path) -> None:
    caller = SpandspEndpoint(SpandspTerminal(Role.CALLING, tx_file=document))
    callee = SpandspEndpoint(SpandspTerminal(Role.ANSWERING, rx_file=tmp_path / "received.tif"))

    run(caller, callee, until=lambda: len(callee.ifps_received) > 400)
    callee.hang_up()

    assert callee.machine.completion is not None
    assert not callee.machine.completion.ok
    assert caller.machine.completion is None


def test_a_stuck_call_is_an_error(tmp_path: Path) -> None:
    callee = SpandspEndpoint(SpandspTerminal(Role.ANSWERING, rx_file=tmp_path / "received.tif"))
    silence = SpandspEndpoint(SpandspTerminal(Role.CALLING), toward_line=lambda ifp: None)

    with pytest.raises(CallNeverEndedError, match="not over after 10 s"):
        run(callee, silence, limit=10.0)


@pytest.mark.full
def test_real_time_over_udp(tmp_path: Path) -> None:
    document = write_document(tmp_path / "sent.tif", [text_page(rows=300, noise_rows=4)])
    received = tmp_path / "received.tif"
    caller_socket, callee_socket = udp_socket(), udp_socket()
    with (
        RealTimePeer(SpandspTerminal(Role.ANSWERING, rx_file=received), callee_socket) as callee,
        RealTimePeer(
            SpandspTerminal(Role.CALLING, tx_file=document), caller_socket, callee.address
        ) as caller,
    ):
        assert caller.done.wait(200)
        assert callee.done.wait(200)
        assert callee.remote == caller.address
    assert caller.machine.completion is not None
    assert caller.machine.completion.ok, caller.machine.completion.text
    assert assert_same_pages(document, received) == 1


@pytest.mark.libtiff
@pytest.mark.parametrize("coding", ["MH", "MR", "MMR"])
def test_documents_are_what_they_say(tmp_path: Path, coding: str) -> None:
    page = text_page(rows=300)
    document = write_document(tmp_path / "document.tif", [page], coding)

    told = tiffinfo(document)

    assert "Photometric Interpretation: min-is-white" in told
    assert ("2-d encoding" in told) == (coding == "MR")
    assert ("CCITT Group 4" in told) == (coding == "MMR")
    recoded = tiffcp(document, tmp_path / "recoded.tif", "-c", "none")
    assert assert_same_pages(document, recoded) == 1


def test_pages_that_differ_are_told_apart(tmp_path: Path) -> None:
    one = write_document(tmp_path / "one.tif", [text_page(rows=300)])
    page = text_page(rows=300)
    was_black = page.image.getpixel((900, 150)) == 0
    page.image.putpixel((900, 150), 255 if was_black else 0)
    other = write_document(tmp_path / "other.tif", [page])

    with pytest.raises(AssertionError, match=r"page 0 differs within \(900, 150, 901, 151\)"):
        assert_same_pages(one, other)


def test_udptl_packets_of_the_recommendation() -> None:
    sender = UdptlSender(redundancy=2)
    assert sender.wrap(b"\x06") == bytes.fromhex("0000 0106 0000")
    assert sender.wrap(bytes.fromhex("C0018000 05FFC80100CE78")) == bytes.fromhex(
        "0001 0B C001800005FFC80100CE78 0001 0106"
    )
    assert sender.wrap(bytes.fromhex("C00120")) == bytes.fromhex(
        "0002 03C00120 0002 0B C001800005FFC80100CE78 0106"
    )


def test_udptl_recovers_what_was_lost() -> None:
    sender, receiver = UdptlSender(redundancy=2), UdptlReceiver()
    datagrams = [sender.wrap(bytes([number])) for number in range(8)]

    assert receiver.unwrap(datagrams[0]) == [(0, b"\0")]
    assert receiver.unwrap(datagrams[0]) == []
    assert receiver.unwrap(datagrams[3]) == [(1, b"\1"), (2, b"\2"), (3, b"\3")]
    assert receiver.unwrap(datagrams[2]) == []
    assert receiver.unwrap(datagrams[7]) == [(5, b"\5"), (6, b"\6"), (7, b"\7")]
    assert (receiver.recovered, receiver.missing) == (4, 1)


@pytest.mark.parametrize("burst", [1, 2])
def test_udptl_recovers_as_many_losses_in_a_row_as_there_are_parity_strings(burst: int) -> None:
    sender, receiver = ParitySender(strings=2, span=3), UdptlReceiver()
    packets = [bytes([7 + number]) * (1 + number % 3) for number in range(20)]
    datagrams = [sender.wrap(packet) for packet in packets]
    # Packets 0, 2 and 4 are 07, 090909 and 0B0B; 1, 3 and 5 are 0808, 0A and 0C0C0C.
    assert datagrams[6] == bytes.fromhex("0006 010D 80 0103 02 03050209 030E040C")

    del datagrams[12 : 12 + burst]
    recovered = [packet for datagram in datagrams for packet in receiver.unwrap(datagram)]
    assert [number for number, _ in recovered] == list(range(20))
    assert [packet.rstrip(b"\0") for _, packet in recovered] == packets
    assert (receiver.recovered, receiver.missing) == (burst, 0)


@pytest.mark.parametrize(
    "octets", ["", "0000", "00000106", "0000010600" + "01", "000005C0", "0000010600" + "0000"]
)
def test_udptl_refuses_what_is_not_udptl(octets: str) -> None:
    with pytest.raises(UdptlError):
        parse(bytes.fromhex(octets))


def test_a_missing_library_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spandsp, "SONAME", "libspandsp.so.none")
    spandsp.library.cache_clear()
    try:
        with pytest.raises(PeerMissingError, match="Debian package libspandsp2"):
            spandsp.library()
    finally:
        spandsp.library.cache_clear()
