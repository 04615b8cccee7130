"""What holds in many states of the tables of T.30, tried in each of them."""

from __future__ import annotations

from collections.abc import Sequence

from t38fsp.t30.frames import FCF
from tests.t30.alone import (
    DCS_ECM,
    DCS_PLAIN,
    DIS,
    Event,
    aborts,
    hears,
    hears_block,
    hears_late,
    hears_no_end,
    hears_nothing,
    hears_page,
    hears_training,
    line_drops,
    partial_page,
    receiver,
    rows,
    said,
    transmitter,
)

TO_CFR = [hears(FCF.DIS, DIS)]
TO_PAGE = [*TO_CFR, hears(FCF.CFR)]
TO_REFUSAL = [*TO_PAGE, *[hears(FCF.PPR, b"\xff" * 32)] * 4]
RNR = hears(FCF.RNR)

COMMANDS = {
    "WAIT_CFR": ({}, TO_CFR, said("DCS", "TCF 14400"), 14400),
    "WAIT_PM": ({"ecm": False}, TO_PAGE, said("MPS"), 14400),
    "WAIT_PPS": ({}, TO_PAGE, said("PPS-MPS"), 14400),
    "WAIT_RR": ({}, [*TO_PAGE, RNR], said("RR"), 14400),
    "WAIT_CTR": ({}, TO_REFUSAL, said("CTC"), 12000),
    "WAIT_ERR": ({"continue_to_correct": False}, TO_REFUSAL, said("EOR-MPS"), 14400),
    "WAIT_RR_EOR": ({"continue_to_correct": False}, [*TO_REFUSAL, RNR], said("RR"), 14400),
}
"""Options, how the state is reached, the command whose answer it waits for, and the rate that is left."""

ENDS: dict[str, tuple[list[Event], list[str]]] = {
    "DCN": ([hears(FCF.DCN)], said("END DISCONNECTED")),
    "abort": ([aborts], said("DCN", "END ABORTED")),
    "the line drops": ([line_drops], said("END LINE_DROPPED")),
    "a carrier without end": ([hears_no_end], said("DCN", "END CARRIER_STUCK")),
}


@rows(
    *(
        (f"{state}: {name}", (options, [*to, *events]), expected)
        for state, (options, to, command, rate) in COMMANDS.items()
        for name, events, expected in (
            ("T4", [hears_nothing], command),
            ("CRP", [hears(FCF.CRP)], command),
            ("CRP three times", [hears(FCF.CRP)] * 3,
             said("DCN", f"END NO_ANSWER_TO_{'DCS' if state == 'WAIT_CFR' else 'PAGE'}")),
            ("DIS", TO_CFR, said("DCS", f"TCF {rate}")),
            ("DIS too short", [hears(FCF.DIS, b"\0")], said()),
            ("DCS, late, as the command is repeated", [hears_late(FCF.DCS)], command[:1]),
            *((end, *outcome) for end, outcome in ENDS.items()),
        )
    ),
)  # fmt: skip
def test_a_command_that_waits_for_its_answer(
    events: tuple[dict[str, object], Sequence[Event]], expected: list[str]
) -> None:
    options, script = events
    assert transmitter(**options).do(script) == expected


DCS = hears(FCF.DCS, DCS_ECM, x=True)
TO_BLOCK = [DCS, hears_training(), hears_block(0, 1)]
TO_PLAIN = [hears(FCF.DCS, DCS_PLAIN, x=True), hears_training(), hears_page]

STATES = {
    "R": TO_BLOCK[:0],
    "TCF": [DCS],
    "C_WAIT": TO_BLOCK,
    "C_WAIT without ECM": TO_PLAIN,
    "AFTER_EOM": [*TO_BLOCK, partial_page(FCF.EOM)],
    "STORE": [*TO_BLOCK, partial_page(FCF.EOP)],
    "BUSY": [*TO_BLOCK, partial_page(FCF.EOP), hears_nothing],
}
NO_STORE = ("STORE", "BUSY")
ELSEWHERE = {("R", "abort"), ("STORE", "a carrier without end")}
"""Nobody is there yet; the timer of STORE runs out before that of the carrier."""


@rows(
    *(
        (f"{state}: {name}", (state in NO_STORE, [*to, *events]), expected)
        for state, to in STATES.items()
        for name, events, expected in (
            ("DCS", [DCS], said()),
            ("DCS, TCF", [DCS, hears_training()], said("CFR")),
            ("DCS too short", [hears(FCF.DCS, b"\0")], said()),
            *((end, *outcome) for end, outcome in ENDS.items() if (state, end) not in ELSEWHERE),
        )
    ),
)
def test_a_receiver_that_waits(events: tuple[bool, Sequence[Event]], expected: list[str]) -> None:
    no_store, script = events
    alone = receiver()
    alone.stores = not no_store
    assert alone.do(script) == expected
