from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import chain, cycle, islice
from math import pi, sin
from pathlib import Path
from random import Random

import pytest

from t38fsp.audio.detectors import AudioListener, AudioSignal, V21Heard
from t38fsp.audio.g711 import Law, decode, encode
from t38fsp.audio.rtp import FRAME_SAMPLES
from t38fsp.audio.tones import ced_frame, cng_frame, tone_frame
from t38fsp.t30.vocabulary import Tone, ToneHeard
from tests.audio.spandsp_audio import ConnectTone, FaxModem, connect_tone, heard_tones, v21
from tests.sweep import Share, sweep

CNG, CED, V21 = ToneHeard(Tone.CNG), ToneHeard(Tone.CED), V21Heard()
FLAG = [0, 1, 1, 1, 1, 1, 1, 0]

both_laws = pytest.mark.parametrize("law", list(Law))


def listen(samples: array[int], law: Law = Law.PCMA, frame: int = FRAME_SAMPLES) -> list[AudioSignal]:
    listener = AudioListener()
    for start in range(0, len(samples), frame):
        listener.receive(encode(samples[start : start + frame], law), law)
    return listener.take_signals()


def silence(seconds: float) -> array[int]:
    return array("h", bytes(2 * round(8000 * seconds)))


def sine(hertz: float, seconds: float, level_dbm0: float = -12.0) -> array[int]:
    amplitude = 32767 * 10 ** ((level_dbm0 - 3.14) / 20)
    return array(
        "h", (round(amplitude * sin(2 * pi * hertz * n / 8000)) for n in range(round(8000 * seconds)))
    )


def scaled(samples: array[int], decibels: float) -> array[int]:
    factor = 10 ** (decibels / 20)
    return array("h", (max(-32768, min(32767, round(sample * factor))) for sample in samples))


def with_noise(samples: Iterable[int], rms: float, seed: int) -> array[int]:
    random = Random(seed)
    return array("h", (max(-32768, min(32767, round(s + random.gauss(0, rms)))) for s in samples))


# --- what fax machines send, from an independent modem ---


HEARD: dict[ConnectTone, list[AudioSignal]] = {
    ConnectTone.FAX_CNG: [CNG, CNG],
    ConnectTone.ANS: [CED],
    ConnectTone.ANS_PR: [CED],
    ConnectTone.ANSAM: [CED],
    ConnectTone.ANSAM_PR: [CED],
    ConnectTone.BELL_ANS: [],
    ConnectTone.CALLING_TONE: [],
}


@pytest.mark.spandsp
@sweep(push=Share.EACH, tone=HEARD, gain=[8, 0, -15, -28], law=Law)
def test_connect_tones(tone: ConnectTone, gain: float, law: Law) -> None:
    samples = scaled(connect_tone(tone, 6.0), gain)
    assert max(samples) > 0
    assert listen(samples, law) == HEARD[tone]


@pytest.mark.spandsp
@sweep(push=Share.EACH, offset=[0, 1, 53, 101], level=[-6, -14, -30, -42], law=Law)
def test_v21_preamble(offset: int, level: float, law: Law) -> None:
    """Wherever the bits fall in our frames."""
    assert listen(silence(offset / 8000) + v21(FLAG, 1.0, level_dbm0=level), law) == [V21]


@pytest.mark.spandsp
def test_v21_flags_that_share_their_zero() -> None:
    assert listen(v21([0, 1, 1, 1, 1, 1, 1], 0.5)) == [V21]


@pytest.mark.spandsp
def test_three_flags_are_too_few() -> None:
    """They close a frame; a preamble has 37."""
    assert listen(v21(FLAG, 3 * 8 / 300) + silence(0.5)) == []


@pytest.mark.spandsp
@pytest.mark.parametrize(
    "bits",
    [
        [1],
        [0],
        [0, 1],
        [0, 0, 0, 1, 1, 1],
        [0, 1, 1, 1, 1, 1, 1, 1, 1],
        Random(1).choices((0, 1), k=997),
    ],
    ids=["marks", "spaces", "reversals", "slow reversals", "aborts", "random data"],
)
def test_v21_without_flags(bits: list[int]) -> None:
    assert listen(v21(bits, 3.0)) == []


@pytest.mark.spandsp
def test_flags_on_channel_1_are_not_a_fax_machine() -> None:
    assert listen(v21(FLAG, 2.0, channel_2=False)) == []


@pytest.mark.spandsp
def test_a_second_preamble_is_heard_again() -> None:
    preamble = v21(FLAG, 1.0)
    data = v21(Random(2).choices((0, 1), k=200), 1.0)
    assert listen(preamble + data + silence(0.5) + preamble) == [V21, V21]


@pytest.mark.spandsp
@sweep(push=2, seed=range(5))
def test_noise_8_db_below_the_signal(seed: int) -> None:
    # spandsp's tones leave at about -11 to -13 dBm0, this V.21 at -14.
    noise = 32767 / 2**0.5 * 10 ** ((-14 - 8 - 3.14) / 20)
    assert listen(with_noise(connect_tone(ConnectTone.FAX_CNG, 3.5), noise, seed)) == [CNG]
    assert listen(with_noise(connect_tone(ConnectTone.ANSAM_PR, 3.0), noise, seed)) == [CED]
    assert listen(with_noise(v21(FLAG, 1.0), noise, seed)) == [V21]


@pytest.mark.spandsp
@sweep(push=2, seed=range(5))
def test_two_percent_of_the_frames_lost(seed: int) -> None:
    random = Random(seed)

    def thinned(samples: array[int]) -> array[int]:
        starts = range(0, len(samples), FRAME_SAMPLES)
        kept = (samples[at : at + FRAME_SAMPLES] for at in starts if random.random() >= 0.02)
        return array("h", chain.from_iterable(kept))

    assert listen(thinned(connect_tone(ConnectTone.FAX_CNG, 13.0)))[:1] == [CNG]
    assert listen(thinned(connect_tone(ConnectTone.ANS, 3.0))) == [CED]
    assert V21 in listen(thinned(v21(FLAG, 1.0)))


@pytest.mark.spandsp
def test_a_whole_fax_modem_answers(tmp_path: Path) -> None:
    """CED, then the preamble of its DIS."""
    modem = FaxModem(calling=False, rx_file=str(tmp_path / "received.tif"))
    samples = array("h", chain.from_iterable(modem.speak() for _ in range(400)))
    modem.close()
    assert listen(samples)[:2] == [CED, V21]


@pytest.mark.spandsp
def test_a_whole_fax_modem_calls() -> None:
    modem = FaxModem(calling=True)
    samples = array("h", chain.from_iterable(modem.speak() for _ in range(400)))
    modem.close()
    assert listen(samples)[:2] == [CNG, CNG]


# --- our own tones, at an independent detector ---


@pytest.mark.spandsp
@both_laws
def test_our_cng_is_heard_by_spandsp(law: Law) -> None:
    samples = decode(b"".join(cng_frame(index, law) for index in range(500)), law)
    tone, none = ConnectTone.FAX_CNG, ConnectTone.NONE
    assert heard_tones(samples, ConnectTone.FAX_CNG) == [tone, none, tone, none, tone, none]


@pytest.mark.spandsp
@both_laws
def test_our_ced_is_heard_by_spandsp(law: Law) -> None:
    samples = decode(b"".join(ced_frame(index, law) for index in range(200)), law)
    assert heard_tones(samples, ConnectTone.FAX_CED_OR_PREAMBLE) == [ConnectTone.ANS, ConnectTone.NONE]


@both_laws
def test_the_times_of_our_tones(law: Law) -> None:
    """T.30 4.2: 0.5 s on, 3 s off; T.30 4.1: 2.6 to 4 s, after at least 0.2 s of silence."""
    cng = "".join("-#"[cng_frame(index, law) == tone_frame(1100, law)] for index in range(10 + 175 + 25))
    assert cng == "-" * 10 + "#" * 25 + "-" * 150 + "#" * 25
    ced = "".join("-#"[ced_frame(index, law) == tone_frame(2100, law)] for index in range(1000))
    assert ced == "-" * 10 + "#" * 150 + "-" * 840


@both_laws
def test_a_tone_has_the_level_asked_for_and_no_seam(law: Law) -> None:
    samples = decode(tone_frame(1100, law) * 10, law)
    full_scale = 32767 / 2**0.5 * 10 ** (-3.14 / 20)
    rms = (sum(sample * sample for sample in samples) / len(samples)) ** 0.5
    assert rms / full_scale == pytest.approx(10 ** (-12 / 20), rel=0.02)
    straight = sine(1100, 0.2)
    assert max(abs(a - b) for a, b in zip(samples, straight, strict=True)) <= 300


# --- limits ---


@pytest.mark.parametrize("hertz", [1062, 1100, 1138])
def test_cng_within_its_tolerance(hertz: float) -> None:
    assert listen(sine(hertz, 0.425)) == [CNG]


@pytest.mark.parametrize("hertz", [2085, 2100, 2115])
def test_ced_within_its_tolerance(hertz: float) -> None:
    assert listen(sine(hertz, 2.6)) == [CED]


@pytest.mark.parametrize(
    "hertz",
    [
        350,
        400,
        425,
        440,
        480,
        620,
        950,
        980,
        1000,
        1180,
        1209,
        1300,
        1400,
        1650,
        1800,
        1850,
        2000,
        2225,
        2400,
    ],
)
def test_other_tones_of_the_network(hertz: float) -> None:
    assert listen(sine(hertz, 3.0)) == []


def test_dial_tone_ringing_tone_and_dtmf() -> None:
    for low, high in ((350, 440), (440, 480), (480, 620), (941, 1209), (852, 1336), (770, 1477)):
        pair = array("h", (a + b for a, b in zip(sine(low, 2.0), sine(high, 2.0), strict=True)))
        assert listen(pair) == []


def test_a_tone_that_is_not_alone() -> None:
    """Less than half of the power is music."""
    pair = array("h", (a + b for a, b in zip(sine(1100, 3.0), sine(700, 3.0, level_dbm0=-11), strict=True)))
    assert listen(pair) == []


def test_a_tone_too_short_and_a_tone_too_quiet() -> None:
    assert listen(silence(0.1) + sine(1100, 0.25) + silence(1.0)) == []
    assert listen(sine(1100, 2.0, level_dbm0=-50)) == []


@both_laws
def test_silence(law: Law) -> None:
    assert listen(silence(5.0), law) == []


@sweep(push=2, seed=range(4))
def test_noise_at_any_level(seed: int) -> None:
    for rms in (30, 300, 3000, 20000):
        assert listen(with_noise(silence(5.0), rms, seed)) == []


def voice(seed: int, seconds: float) -> array[int]:
    """Speech-like: a gliding pitch with its harmonics under moving formants, syllables, and breath."""
    random = Random(seed)
    samples = array("h")
    phase = 0.0
    while len(samples) < 8000 * seconds:
        syllable = random.randint(600, 3200)
        pitch, goal = random.uniform(80, 320), random.uniform(80, 320)
        formants = [random.uniform(250, 900), random.uniform(900, 2400), random.uniform(1600, 3200)]
        weights = [
            sum(1 / (1 + ((harmonic * pitch - formant) / 120) ** 2) for formant in formants)
            for harmonic in range(1, 40)
        ]
        loud = random.choice((0.0, 1.0, 1.0, 1.0))
        for n in range(syllable):
            share = n / syllable
            phase += 2 * pi * (pitch + (goal - pitch) * share) / 8000
            tone = sum(w * sin(k * phase) for k, w in enumerate(weights[:12], 1))
            samples.append(round(3000 * loud * sin(pi * share) * tone + random.gauss(0, 40)))
    return samples


@sweep(push=2, seed=range(4))
def test_a_voice_is_no_fax_machine(seed: int) -> None:
    assert listen(voice(seed, 10.0)) == []


def test_a_phase_reversal_does_not_end_a_tone() -> None:
    tone = sine(2100, 0.45)
    reversed_tone = array("h", (-sample for sample in tone))
    assert listen(array("h", chain.from_iterable(islice(cycle((tone, reversed_tone)), 7)))) == [CED]


@pytest.mark.parametrize("frame", [1, 7, 80, 160, 240, 1000])
def test_packets_of_any_length(frame: int) -> None:
    samples = silence(0.1) + sine(1100, 0.5) + silence(3.0) + sine(2100, 1.0)
    assert listen(samples, frame=frame) == [CNG, CED]
