"""A fax in audio between our T.30 and spandsp's whole fax, over G.711, in simulated time."""

from __future__ import annotations

import ctypes
import random
from pathlib import Path

import pytest

from t38fsp.audio.g711 import Law
from t38fsp.audio.modem import library
from t38fsp.audio.modem.intake import Intake
from t38fsp.audio.modem.library import ModemLibrary, ModemLibraryError
from t38fsp.audio.rtp import RtpPacket
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.vocabulary import Modem
from tests.audio.telephone import Line, OurFax, Telephone, receive, send
from tests.pages import load_page
from tests.peers.pages import text_page, write_document
from tests.peers.spandsp import Modems
from tests.sweep import Share, sweep

pytestmark = pytest.mark.spandsp

V27, V29, V17 = Modems.V27TER, Modems.V27TER | Modems.V29, Modems.V27TER | Modems.V29 | Modems.V17
RATES = {
    (V17, 14400): Modem.V17_14400,
    (V17, 12000): Modem.V17_12000,
    (V17, 9600): Modem.V17_9600,
    (V29, 9600): Modem.V29_9600,
    (V29, 7200): Modem.V29_7200,
    (V27, 4800): Modem.V27TER_4800,
    (V27, 2400): Modem.V27TER_2400,
}
"""The modem that is used if the far end has these, and we allow this rate."""


def transfer(
    folder: Path,
    *,
    sends: bool,
    pages: int = 1,
    rows: int = 300,
    ecm: bool = True,
    max_rate: int = 14400,
    **line: object,
) -> Telephone:
    """A fax of short pages; asserts that it arrived, dot by dot with ECM."""
    document, received = folder / "document.tif", folder / "received.tif"
    write_document(document, [text_page(seed=seed, rows=rows) for seed in range(pages)])
    if sends:
        options = TransmitOptions(ecm=ecm, max_rate=max_rate)
        telephone = send(document, received, options=options, ecm=ecm, **line)
    else:
        telephone = receive(
            document, received, options=ReceiveOptions(ecm=ecm, max_rate=max_rate), ecm=ecm, **line
        )
    assert telephone.completed, (telephone.ours.result, telephone.modems)
    assert [outcome.confirmed for outcome in telephone.outcomes if outcome.confirmed] == [True] * pages
    for index in range(pages if ecm else 0):
        assert load_page(document, index)[1] == load_page(received, index)[1]
    return telephone


@sweep(push=4, sends=[True, False], ecm=[True, False], limits=RATES, law=Law)
def test_every_modem_both_ways(
    tmp_path: Path, sends: bool, ecm: bool, limits: tuple[Modems, int], law: Law
) -> None:
    modems, max_rate = limits
    telephone = transfer(tmp_path, sends=sends, ecm=ecm, modems=modems, max_rate=max_rate, law=law)
    if not (sends is False and max_rate in (12000, 9600, 7200)):  # our DIS names modems, and no rates
        assert telephone.modems[-1:] == [RATES[limits].name]


@pytest.mark.full
@sweep(push=1, full=6, sends=[True, False], ecm=[True, False], pages=[3, 10])
def test_pages_follow_each_other(tmp_path: Path, sends: bool, ecm: bool, pages: int) -> None:
    """V.17 trains short from the second burst on."""
    transfer(tmp_path, sends=sends, ecm=ecm, pages=pages, rows=150)


@sweep(push=2, full=Share.ALL, sends=[True, False], delay=[0.02, 0.2, 0.4], echo=[None, -20.0, -12.0])
def test_delay_and_echo(tmp_path: Path, sends: bool, delay: float, echo: float | None) -> None:
    """Our own echo: spandsp's fax does not bear its own when it receives."""
    transfer(tmp_path, sends=sends, there=Line(delay=delay, echo=echo), back=Line(delay=delay))


@pytest.mark.full
@sweep(push=1, full=6, gain=[9.0, -20.0, -30.0], noise=[None, 27.0], seed=range(2))
def test_levels_and_noise(tmp_path: Path, gain: float, noise: float | None, seed: int) -> None:
    telephone = transfer(
        tmp_path, sends=False, there=Line(gain=gain, noise=noise), back=Line(), seed=seed, limit=300.0
    )
    level = telephone.ours.terminal.levels.level_dbm0
    assert level is not None
    assert level == pytest.approx(-14.0 + gain, abs=1.5)


@pytest.mark.parametrize("gain", [-14.75, -10.5, 5.75, 9.5])
def test_a_short_training_that_fails_is_tried_from_a_sample_later(tmp_path: Path, gain: float) -> None:
    """At these levels the burst begins late in a block of 20 ms, or the level lies between two gains."""
    telephone = transfer(tmp_path, sends=False, there=Line(gain=gain), back=Line(), limit=120.0)
    assert telephone.ours.terminal.retrains == 0


@sweep(push=1, full=8, loss=[0.002, 0.005], burst=[1, 3], seed=range(4))
def test_lost_packets_cost_frames_and_no_page(tmp_path: Path, loss: float, burst: int, seed: int) -> None:
    there = Line(loss=loss, burst=burst)
    telephone = transfer(tmp_path, sends=False, there=there, back=Line(), seed=seed)
    assert telephone.ours.terminal.counters.filled == pytest.approx(telephone.lost, abs=burst + 1)


# --- the library ------------------------------------------------------------------------------------------


def test_a_missing_library_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_NAMES", ("libspandsp-that-is-not-there.so.9",))
    library._found.cache_clear()
    try:
        with pytest.raises(ModemLibraryError):
            library.modem_library()
        assert not library.has_modem_library()
    finally:
        library._found.cache_clear()


def test_a_strange_library_is_a_sentence() -> None:
    with pytest.raises(ModemLibraryError, match="fsk_tx_init"):
        ModemLibrary("libc", ctypes.CDLL(None))


class NamesOf30:
    """The installed library with the names of 3.0, in whose headers only that of the cut-off differs."""

    def __init__(self, loaded: ctypes.CDLL) -> None:
        self._loaded = loaded

    def __getattr__(self, name: str) -> object:
        if name.endswith("_rx_signal_cutoff"):
            raise AttributeError(name)
        return getattr(self._loaded, name.replace("_rx_set_signal_cutoff", "_rx_signal_cutoff"))


def test_the_names_of_3_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = library.modem_library()
    renamed = ModemLibrary("libspandsp.so.3", NamesOf30(found.call))  # type: ignore[arg-type]
    monkeypatch.setattr("tests.audio.telephone.modem_library", lambda: renamed)
    transfer(tmp_path, sends=False, there=Line(gain=-30.0), back=Line(), rows=80)


# --- the far end's clock and packets ------------------------------------------------------------------------


@pytest.mark.parametrize("octets", [80, 240])
def test_packets_of_10_and_of_30_ms(tmp_path: Path, octets: int) -> None:
    transfer(tmp_path, sends=False, octets=octets)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("ppm", [-200, 200])
def test_the_clock_of_the_far_end_differs(tmp_path: Path, ppm: int) -> None:
    """For half an hour: the far end makes samples faster, or slower, than we count seconds."""
    telephone = transfer(
        tmp_path, sends=False, pages=30, rows=1100, modems=V27, max_rate=4800, ppm=ppm, limit=4000.0
    )
    assert telephone.seconds > 1800
    assert telephone.ours.terminal.counters.filled == 0


def test_a_gap_of_a_second_costs_frames_and_no_page(tmp_path: Path) -> None:
    telephone = transfer(tmp_path, sends=False, rows=900, gap=(14.0, 1.0), limit=300.0)
    assert telephone.outcomes[-1].repeats > 0


# --- hostile packets ----------------------------------------------------------------------------------------


def test_hostile_packets_change_nothing(tmp_path: Path) -> None:
    """Random, repeated, forged, huge, and with timestamps that jump, among those of the fax."""
    chance = random.Random(1)
    seen: list[bytes] = []

    def attack(ours: OurFax, now: float) -> None:
        seen.append(bytes(RtpPacket(8, chance.getrandbits(16), chance.getrandbits(32), 77, bytes(160))))
        forged = RtpPacket(
            chance.choice([0, 8, 13, 101]),
            chance.getrandbits(16),
            chance.getrandbits(32),
            chance.getrandbits(32),
            chance.randbytes(chance.choice([0, 1, 160, 2048])),
            marker=chance.random() < 0.5,
        )
        for datagram in (
            chance.randbytes(chance.randrange(200)),
            bytes(forged),
            chance.choice(seen),
            b"\x80" + chance.randbytes(1400),
        ):
            ours.receive(datagram, now)

    telephone = transfer(tmp_path, sends=False, on_frame=attack, limit=120.0)
    counters = telephone.ours.terminal.counters
    assert counters.foreign > 1000
    assert counters.filled == 0


def test_telephone_events_are_passed_over(tmp_path: Path) -> None:
    def press(ours: OurFax, now: float) -> None:
        ours.receive(bytes(RtpPacket(101, 0, 0, 77, b"\x05\x0a\x00\xa0")), now)

    telephone = transfer(tmp_path, sends=False, on_frame=press)
    assert telephone.ours.strays.other == 0


def test_a_stream_of_jumping_timestamps_costs_no_more_than_real_time(tmp_path: Path) -> None:
    """Each packet asks for a second of filling; at most two seconds go beyond real time."""
    intake = Intake(0.0)
    samples = 0
    for number in range(3000):
        packet = RtpPacket(8, number & 0xFFFF, (number * 8160) & 0xFFFFFFFF, 77, bytes(160))
        samples += sum(len(piece.payload) for piece in intake.receive(packet, 0.02 * number))
    assert samples <= 8000 * (60 * 1.02 + 2) + 160
