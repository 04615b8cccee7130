"""Each quirk by itself: the fault is on the wire, and the product delivers every page all the same.

In both roles: the product sends to a gateway that has the quirk, and receives from one. What a quirk does to
those who fall for it is shown by ``test_picky_gateways`` where it cannot be seen on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path

import pytest
from _pytest.mark.structures import ParameterSet

from t38fsp.audio.leg import Role
from t38fsp.choices import Audio, Switch
from t38fsp.results import Medium
from t38fsp.status import FaxStatus
from t38fsp.t30.outputs import T30Failure
from t38fsp.t38.ifp import DataPacket, IndicatorPacket, Syntax
from t38fsp.t38.values import DataType, FieldType, Indicator
from t38fsp.virtual.quirks import QUIRKS, parse_quirks
from tests.call.harness import make_pages
from tests.pages import PageSpec, make_document
from tests.peers import libtiff
from tests.sweep import sweep
from tests.virtual.harness import GATEWAY, OURS, GatewayScene

SENDING, RECEIVING = Role.ANSWERING, Role.CALLING
"""What the machine behind the gateway does while the product sends, or receives."""

Evidence = Callable[[GatewayScene], object]


@dataclass(frozen=True)
class Case:
    """``wire`` is true when the fault was there; None when only ``happened`` can tell."""

    quirks: str
    wire: Evidence | None = None
    settings: dict[str, object] = field(default_factory=dict)
    ecm: tuple[bool, ...] | None = None
    """None for both, unless the quirk is one of SDP or SIP, where it makes no difference."""
    shows_in: frozenset[Role] = frozenset(Role)
    """Roles of the machine in which the fault shows in such a call."""
    takes_time: bool = False
    """It shows only in a longer call."""

    @property
    def name(self) -> str:
        return parse_quirks(self.quirks)[-1].name

    @property
    def figure(self) -> bool:
        """The quirk has a number after its name, and nothing is set besides."""
        return bool(re.fullmatch(r"[a-z-]+=[0-9.]+", self.quirks)) and not self.settings

    @property
    def is_signalling(self) -> bool:
        return QUIRKS[self.name].__module__.endswith((".sdp", ".calls", ".setup"))

    def __str__(self) -> str:
        return self.quirks


def numbers(scene: GatewayScene) -> list[int]:
    return [datagram.number for _, datagram in scene.datagrams()]


def fields(scene: GatewayScene, syntax: Syntax = Syntax.Y1998) -> list[FieldType]:
    return [
        field.type
        for _, packet in scene.packets(syntax=syntax)
        if isinstance(packet, DataPacket)
        for field in packet.fields
    ]


def indicators(scene: GatewayScene) -> list[Indicator]:
    return [each.indicator for _, each in scene.packets() if isinstance(each, IndicatorPacket)]


def data(scene: GatewayScene) -> list[DataPacket]:
    return [packet for _, packet in scene.packets() if isinstance(packet, DataPacket)]


def field_pairs(scene: GatewayScene) -> set[tuple[DataType, FieldType, FieldType]]:
    """Neighbouring fields of data that follow one another."""
    flat = [(packet.type, each.type) for packet in data(scene) for each in packet.fields]
    return {(kind, one, other) for (kind, one), (_, other) in pairwise(flat)}


def preamble_gaps(scene: GatewayScene) -> list[float]:
    """Seconds from each v21-preamble to its first octet."""
    return [
        later - when
        for (when, packet), (later, following) in pairwise(scene.packets())
        if packet == IndicatorPacket(Indicator.V21_PREAMBLE) and isinstance(following, DataPacket)
    ]


def said(scene: GatewayScene, *texts: str) -> bool:
    """Some message of the gateway contains all of these."""
    return any(all(text in message for text in texts) for message in scene.sip())


def offers(scene: GatewayScene) -> list[str]:
    """Descriptions in INVITEs of the gateway, each once."""
    found = [message.partition("\r\n\r\n")[2] for message in scene.sip() if message.startswith("INVITE")]
    return list(dict.fromkeys(found))


def t38_ports(scene: GatewayScene, destination: str) -> set[int]:
    """Where UDPTL went to."""
    return {port for _, _, (host, port), data in scene.tapped if host == destination and data[:1] != b"\x80"}


def largest(scene: GatewayScene) -> int:
    """Octets of our longest datagram."""
    return max(len(bytes(datagram)) for _, datagram in scene.datagrams(OURS))


def largest_ifp(scene: GatewayScene) -> int:
    return max(len(datagram.primary) for _, datagram in scene.datagrams(OURS))


def first_time(scene: GatewayScene, text: str) -> float:
    return min(when for when, _, _, message in scene.tapped if text.encode() in message)


SIG_ENDS = {FieldType.HDLC_SIG_END, FieldType.HDLC_FCS_OK_SIG_END, FieldType.T4_NON_ECM_SIG_END}
V21, FCS_OK, END = DataType.V21, FieldType.HDLC_FCS_OK, FieldType.HDLC_FCS_OK_SIG_END
ANSWERING, CALLING = frozenset({Role.ANSWERING}), frozenset({Role.CALLING})

CASES = [
    *(
        Case(quirks, settings={"audio": Audio.FALLBACK}, ecm=(True,))
        for quirks in (
            "in-audio",
            "in-audio,audio-level",
            "in-audio,audio-noise",
            "in-audio,audio-echo",
            "in-audio,audio-loss",
            "in-audio,audio-comfort-noise",
            "in-audio,audio-drift",
            "in-audio,audio-drift=-200",
        )
    ),
    Case("rings"),
    Case("rings=90", lambda scene: scene.simulator.now > 90, settings={"ring_limit": 120.0}),
    # the stream
    Case("first-seq", lambda scene: numbers(scene)[0] == 32768),
    Case(
        "first-seq=65500,wrap-to-one",
        lambda scene: (65535, 1) in pairwise(dict.fromkeys(numbers(scene))),
        takes_time=True,
    ),
    Case(
        "new-numbers",
        lambda scene: any(one == other for one, other in pairwise(indicators(scene))),
    ),
    Case(
        "seq-jump",
        lambda scene: any(abs(one - other) > 10_000 for one, other in pairwise(numbers(scene))),
        shows_in=CALLING,
    ),
    Case("redundancy=0", lambda scene: not any(each.secondaries for _, each in scene.datagrams())),
    Case("fec", lambda scene: any(each.parity for _, each in scene.datagrams())),
    Case("fec=5:2", lambda scene: any(len(each.parity or ()) == 5 for _, each in scene.datagrams())),
    Case(
        "mixed-correction",
        lambda scene: {True, False} == {each.parity is None for _, each in list(scene.datagrams())[9:]},
    ),
    Case("empty-copies", lambda scene: all(set(each.secondaries) == {b""} for _, each in scene.datagrams())),
    Case(
        "silent-until-heard",
        lambda scene: next(scene.datagrams())[0] > next(scene.datagrams(OURS))[0] + 0.01,
    ),
    Case(
        "junk-at-start",
        lambda scene: b"\xff" * 9 in [datagram.primary for _, datagram in scene.datagrams()][:20],
    ),
    Case(
        "junk-after-end",
        lambda scene: indicators(scene)[-3:].count(Indicator.V17_14400_LONG_TRAINING) == 1,
    ),
    Case(
        "rtp-stragglers",
        lambda scene: (
            max(when for when, (host, _), _, octets in scene.tapped if host == GATEWAY and octets[0] == 0x80)
            > next(scene.datagrams())[0] + 0.5
        ),
    ),
    Case("early-packets", lambda scene: next(scene.datagrams())[0] <= first_time(scene, "m=image")),
    Case("bunched", lambda scene: min(b - a for a, b in pairwise(send_times(scene))) > 0.19),
    Case("keep-alive=0.3", lambda scene: indicators(scene).count(Indicator.NO_SIGNAL) > 20),
    Case("copies=1", lambda scene: len(numbers(scene)) == len(set(numbers(scene)))),
    # packets
    Case("data-in-fcs", lambda scene: any(f.type is END and f.data for p in data(scene) for f in p.fields)),
    Case("combined-fields", lambda scene: any(len(packet.fields) == 3 for packet in data(scene))),
    Case(
        "version=3,combined-fields=loose",
        lambda scene: any(each.primary.endswith(b"\x10\x08") for _, each in scene.datagrams()),
        {"t38_version": 3},
    ),
    Case(
        "version=3,combined-fields=strict",
        lambda scene: any(each.primary.endswith(b"\x10\x40") for _, each in scene.datagrams()),
        {"t38_version": 3},
    ),
    Case("wrong-sig-end", lambda scene: (V21, FCS_OK, FieldType.T4_NON_ECM_SIG_END) in field_pairs(scene)),
    Case("separate-sig-end", lambda scene: (V21, FCS_OK, FieldType.HDLC_SIG_END) in field_pairs(scene)),
    Case("double-sig-end", lambda scene: (V21, END, FieldType.HDLC_SIG_END) in field_pairs(scene)),
    Case("no-sig-end", lambda scene: not SIG_ENDS & set(fields(scene))),
    Case("no-no-signal", lambda scene: Indicator.NO_SIGNAL not in indicators(scene)),
    Case("no-indicators", lambda scene: all(each.modem is None for each in indicators(scene))),
    Case(
        "repeated-indicators=1",
        lambda scene: indicators(scene).count(Indicator.V21_PREAMBLE) > 20,
        takes_time=True,
    ),
    Case("syntax=2002", lambda scene: any(e.primary == b"\xc0\x01\x20" for _, e in scene.datagrams())),
    Case(
        "version=3,syntax=1998",
        lambda scene: any(each.primary == b"\xc0\x01\x40" for _, each in scene.datagrams()),
        {"t38_version": 3},
    ),
    Case("whole-frames", lambda scene: all(len(p.fields[0].data) != 1 for p in data(scene) if p.type is V21)),
    Case("false-tones", lambda scene: {Indicator.CED, Indicator.CNG} <= set(indicators(scene))),
    Case(
        "mistaken-modem",
        lambda scene: any(
            packet.type is DataType.V27_2400 and packet.fields[0].type is FieldType.HDLC_DATA
            for packet in data(scene)
        ),
    ),
    Case("short-preamble=0.2", lambda scene: max(preamble_gaps(scene)) < 0.25),
    # what it takes
    *(
        Case(
            f"max-datagram={octets}",
            lambda scene, octets=octets: (
                said(scene, f"T38FaxMaxDatagram:{octets}") and largest(scene) <= octets
            ),
        )
        for octets in (72, 176, 238, 400)
    ),
    *(
        Case(
            f"max-ifp={octets}",
            lambda scene, octets=octets: (
                said(scene, f"T38FaxMaxDatagram:{octets}") and largest_ifp(scene) <= octets
            ),
        )
        for octets in (40, 72, 176, 238, 400)
    ),
    *(
        Case(quirk, lambda scene, name=quirk: scene.far.happened[name] == 0)
        for quirk in (
            "one-field",
            "preamble-needed",
            "silence-needed",
            "carrier-limit",
            "frame-tail-needed",
            "chokes-on-double-end",
            "strict-modem",
        )
    ),
    Case("page-tail-needed", shows_in=ANSWERING),
    # SDP
    *(
        Case(f"version={version}", lambda scene, v=version: said(scene, f"T38FaxVersion:{v}"), shows_in=role)
        for version, role in {0: frozenset(Role), 1: ANSWERING, 2: ANSWERING, 3: ANSWERING}.items()
    ),
    *(
        Case(
            f"version={version}",
            lambda scene, version=version: said(scene, f"T38FaxVersion:{version}"),
            {"t38_version": 3},
        )
        for version in (2, 3)
    ),
    Case("booleans=zero", lambda scene: said(scene, "m=image", "T38FaxFillBitRemoval:0")),
    Case("booleans=one", lambda scene: said(scene, "T38FaxTranscodingMMR:1"), shows_in=ANSWERING),
    Case("booleans=bare", lambda scene: said(scene, "T38FaxTranscodingJBIG\r\n"), shows_in=ANSWERING),
    Case("odd-spelling", lambda scene: said(scene, "UDPTL T38", "t38faxversion:0", "T38FaxMaxRate:14400")),
    Case("no-attributes", lambda scene: said(scene, "m=image") and not said(scene, "T38Fax")),
    *(
        Case(
            f"senseless-datagram={octets}",
            lambda scene, octets=octets: (
                said(scene, f"T38FaxMaxDatagram:{octets}\r\n") and largest(scene) <= max(octets, 400)
            ),
        )
        for octets in (0, 1, 39, 4_000_000)
    ),
    Case("two-corrections", lambda scene: said(scene, "UdpEC:t38UDPFEC", "UdpEC:t38UDPRedundancy")),
    Case("udp-ec=none", lambda scene: said(scene, "UdpEC:t38UDPNoEC")),
    Case("udp-ec=fec", lambda scene: said(scene, "UdpEC:t38UDPFEC"), shows_in=ANSWERING),
    Case("audio-zero", lambda scene: said(scene, "m=audio 0 ", "m=image "), shows_in=ANSWERING),
    Case("both-media", lambda scene: said(scene, "INVITE ", "m=audio 2", "m=image 2")),
    # calls
    Case(
        "switch-after=25",
        lambda scene: first_time(scene, "m=image") > 25,
        shows_in=ANSWERING,
    ),
    Case("switch-after=0", lambda scene: first_time(scene, "m=image") < 1),
    Case(
        "switch-after=9.99",
        lambda scene: any("SIP/2.0 491" in message for message in scene.sip() + scene.sip(OURS)),
        {"switch": Switch.EITHER, "switch_wait": 10.0},
        shows_in=ANSWERING,
    ),
    Case("leaves-switch", lambda scene: len(offers(scene)) == 0, {"switch": Switch.EITHER}),
    *(
        Case(
            "own-offer-only",
            lambda scene: any(message.startswith("SIP/2.0 488") for message in scene.sip()),
            {"switch": switch},
            shows_in=role,
        )
        for switch, role in {Switch.CALLER: ANSWERING, Switch.CALLEE: CALLING}.items()
    ),
    Case(
        "own-offer-only",
        lambda scene: any(message.startswith("SIP/2.0 488") for message in scene.sip()),
        {"switch": Switch.EITHER, "switch_wait": 2.0},
    ),
    Case("leaves-switch", lambda scene: len(offers(scene)) == 0, {"switch": Switch.CALLER}),
    Case(
        "own-t38-port",
        lambda scene: len(t38_ports(scene, GATEWAY) - {5060}) == 1 and len(scene.far.media) == 2,
    ),
    Case("address-change", lambda scene: len(t38_ports(scene, GATEWAY) - {5060}) == 2),
    Case(
        "refresh", lambda scene: len([m for m in scene.sip() if m.startswith("INVITE")]) > 2, takes_time=True
    ),
    Case("refresh-audio", lambda scene: any("m=audio" in offer for offer in offers(scene)[1:])),
    Case("new-parameters", lambda scene: said(scene, "INVITE", "T38MaxBitRate:9600")),
    Case("back-to-audio", lambda scene: "m=audio" in offers(scene)[-1]),
    Case("early-hang-up", lambda scene: said(scene, "BYE ")),
    # machines
    *(
        Case(f"deaf-to={command}:2", shows_in=ANSWERING, ecm=ecm)
        for command, ecm in {
            "DCS": (True, False),
            "PPS": (True,),
            "MPS": (False,),
            "EOP": (False,),
        }.items()
    ),
    *(Case(f"deaf-to={response}:2", shows_in=CALLING) for response in ("DIS", "CFR", "MCF")),
    Case("changed-dis"),
    Case("foreign-nsf"),
    *(Case(f"late-answers={seconds}") for seconds in (1.5, 3)),
    Case("late-start=28", lambda scene: first_data(scene) > 28),
    Case("ced-after-switch", lambda scene: Indicator.CED in indicators(scene)),
    Case("echo"),
    *(
        Case(f"deaf-to={command},passes-echo", shows_in=ANSWERING, ecm=ecm)
        for command, ecm in {"DCS": (True, False), "PPS": (True,), "EOP": (False,)}.items()
    ),
    *(Case(f"deaf-to={response},passes-echo", shows_in=CALLING) for response in ("DIS", "CFR", "MCF")),
    *(Case(f"rtn-last={times}") for times in (1, 2)),
    Case("rtp"),
    *(Case(f"ftt={times}") for times in (1, 4)),
    *(Case(f"ppr-storm={times}", ecm=(True,)) for times in (1, 3, 4, 12)),
    Case("ppr-storm,ignores-ctc", ecm=(True,)),
    Case("rnr=40", lambda scene: scene.simulator.now > 80, ecm=(True,)),
    Case("rnr=6", lambda scene: scene.simulator.now > 70, takes_time=True),
    Case("crp"),
    Case("operator"),
    Case("rtn-last,operator"),
    Case("cut-frames", ecm=(True,)),
]


def send_times(scene: GatewayScene) -> list[float]:
    """When something left the gateway as T.38, each moment once."""
    return sorted({when for when, _ in scene.datagrams()})


def first_data(scene: GatewayScene) -> float:
    return next(when for when, packet in scene.packets() if isinstance(packet, DataPacket))


def parameters() -> Iterator[ParameterSet]:
    """Each case in each role and mode that it is meant for.

    At every push each role in which the fault shows comes once, in one of the modes; the next case has the
    other mode in that role. Of cases that differ by a figure a push has the first and the last, and of those
    in audio, which cost ten times as much, each in one role.
    """
    figures: dict[str, list[int]] = {}
    for number, case in enumerate(CASES):
        figures.setdefault(case.name if case.figure else case.quirks, []).append(number)
    ends = {number for numbers in figures.values() for number in (numbers[0], numbers[-1])}
    for number, case in enumerate(CASES):
        modes = case.ecm or ((True,) if case.is_signalling else (True, False))
        roles = sorted(QUIRKS[case.name].roles, key=str)
        for (place, role), (turn, ecm) in product(enumerate(roles), enumerate(modes)):
            left_out = (
                (len(modes) > 1 and (number + place + turn) % 2)
                or role not in case.shows_in
                or (case.settings.get("audio") and (number + place) % 2)
                or number not in ends
            )
            name = f"{case}-{'send' if role is SENDING else 'receive'}-{'ecm' if ecm else 'raw'}"
            yield pytest.param(case, role, ecm, id=name, marks=[pytest.mark.full] if left_out else [])


def test_every_quirk_has_its_case() -> None:
    on_sockets = {name for name, quirk in QUIRKS.items() if quirk.on_sockets_only}
    assert {case.name for case in CASES} | ENDING | on_sockets == set(QUIRKS)


def test_first_numbers_are_counted_once(tmp_path: Path) -> None:
    scene = GatewayScene(tmp_path, "first-seq=9")
    scene.transfer(Role.ANSWERING, make_pages(1))
    assert scene.far.happened == {"first-seq": 1}


@pytest.mark.parametrize(("case", "role", "ecm"), list(parameters()))
def test_the_fault_is_there_and_every_page_arrives(tmp_path: Path, case: Case, role: Role, ecm: bool) -> None:
    scene = GatewayScene(tmp_path, case.quirks)
    pages = make_pages(3, rows=300) if case.takes_time else make_pages(2, rows=80)
    scene.transfer(role, pages, ecm=ecm, **case.settings)
    scene.assert_delivered(len(pages))
    assert scene.simulator.now < 300
    if role in case.shows_in:
        assert scene.far.happened[case.name] if case.wire is None else case.wire(scene)


# --- calls that no far end can bring to a good end ----------------------------------------------------------

ENDING = {name for name, quirk in QUIRKS.items() if not quirk.survivable}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("quirk", ["local-tcf", "rtp-t38", "refuses-t38", "refuses-t38=port-0"])
def test_a_far_end_that_cannot_do_t38_is_told_from_others(tmp_path: Path, quirk: str, role: Role) -> None:
    scene = GatewayScene(tmp_path, quirk)
    result = scene.transfer(role, make_pages(1), switch=Switch.EITHER)
    assert result.status is FaxStatus.NOT_FAX_CALL
    assert "T.38" in result.reason
    assert result.pages_confirmed == 0
    assert not scene.received_file.exists()


@pytest.mark.spandsp
@pytest.mark.parametrize("role", Role)
def test_compressed_audio_fails_and_is_named(tmp_path: Path, role: Role) -> None:
    """No packet was lost and the line is quiet: it is the audio that is not G.711 all the way."""
    scene = GatewayScene(tmp_path, "in-audio,audio-transcoding=gsm")
    result = scene.transfer(role, make_pages(1), audio=Audio.FALLBACK)
    assert result.medium is Medium.AUDIO
    assert not result.completed
    assert "G.711" in result.reason


@pytest.mark.spandsp
def test_g726_lowers_the_rate(tmp_path: Path) -> None:
    """The far end sends through it; what it answers in V.21 passes at all events."""
    scene = GatewayScene(tmp_path, "in-audio,audio-transcoding=g726")
    pages = make_pages(1)
    result = scene.transfer(Role.CALLING, pages, audio=Audio.FALLBACK)
    assert result.completed, result.reason
    assert result.pages[0].bit_rate <= 12000
    assert count_delivered(scene, tmp_path, pages) == 1


def count_delivered(scene: GatewayScene, folder: Path, pages: list[PageSpec]) -> int:
    """Pages that arrived, each checked against what was sent."""
    if not scene.received_file.exists():
        return 0
    received = len(list(libtiff.pages(scene.received_file)))
    first = folder / "first.tif"
    make_document(first, pages[:received])
    assert libtiff.assert_same_pages(first, scene.received_file) == received
    return received


@sweep(push=10, bursts=range(1, 13), role=Role, ecm=[True, False])
def test_dcn_at_any_moment_ends_in_a_true_result(tmp_path: Path, bursts: int, role: Role, ecm: bool) -> None:
    scene = GatewayScene(tmp_path, f"dcn-after={bursts}")
    pages = make_pages(3)
    result = scene.transfer(role, pages, ecm=ecm)
    delivered = count_delivered(scene, tmp_path, pages)
    if scene.far.happened["dcn-after"]:
        assert result.status is FaxStatus.DISCONNECTED or result.pages_confirmed == 3, result.reason
        assert result.t30_error in (T30Failure.DISCONNECTED, None), result.reason
        assert scene.simulator.now < 120
    else:
        scene.assert_delivered(3)
    if role is SENDING:
        assert result.pages_confirmed <= delivered
    else:
        assert result.pages_confirmed == delivered


@sweep(push=10, seconds=[0, 0.5, 2, 4, 7, 11, 16, 22, 29, 33, 36, 60], role=Role, ecm=[True, False])
def test_a_far_end_that_hangs_up_at_any_moment_ends_in_a_true_result(
    tmp_path: Path, seconds: float, role: Role, ecm: bool
) -> None:
    scene = GatewayScene(tmp_path, f"hangs-up={seconds}")
    pages = make_pages(3)
    result = scene.transfer(role, pages, ecm=ecm)
    delivered = count_delivered(scene, tmp_path, pages)
    assert (result.status is FaxStatus.COMPLETED) is (result.pages_confirmed == 3), result.reason
    if result.pages_confirmed < 3:
        assert result.status is FaxStatus.DISCONNECTED
    assert result.pages_confirmed <= delivered


@sweep(
    push=12,
    quirk=[
        *(f"falls-silent={seconds}" for seconds in (0, 1.5, 4, 7, 11, 16, 22, 29, 36)),
        *(f"stuck-carrier={bursts}" for bursts in (1, 2, 3, 4, 5)),
    ],
    role=Role,
    ecm=[True, False],
)
def test_a_far_end_that_is_dead_or_talks_for_ever_is_left_in_time(
    tmp_path: Path, quirk: str, role: Role, ecm: bool
) -> None:
    scene = GatewayScene(tmp_path, quirk)
    pages = make_pages(3)
    result = scene.transfer(role, pages, ecm=ecm)
    delivered = count_delivered(scene, tmp_path, pages)
    assert result.completed is (result.pages_confirmed == 3), result.reason
    assert result.pages_confirmed <= delivered
    assert scene.simulator.now < 150
    if quirk in ("falls-silent=7", "stuck-carrier=1"):
        assert scene.far.happened[quirk.partition("=")[0]]
        assert not result.completed


def test_a_page_that_outlasts_the_carrier_of_a_gateway_arrives_with_ecm(tmp_path: Path) -> None:
    """A dense page at 2400 bit/s takes minutes, and the gateway cuts each burst after 90 s."""
    scene = GatewayScene(tmp_path, "carrier-limit")
    scene.transfer(SENDING, make_pages(1, kind="noise", rows=200), max_rate=2400)
    scene.assert_delivered(1)
