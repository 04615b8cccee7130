"""The whole matrix: every modem, coding, resolution and width that libspandsp has, dot by dot.

Its terminal, and its gateway with an audio fax behind it, sending and receiving, on a line without faults and
on one that loses packets. All of it in simulated time: every pair of these in the full tier, the whole
product in the tier long.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from t38fsp.t30.dis_dcs_values import pixels
from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.outputs import Negotiated
from t38fsp.t30.vocabulary import Coding, Modem, Resolution
from tests.peers.machine import MachineOptions
from tests.peers.pages import TestPage, text_page, write_document
from tests.peers.spandsp import ALL_MODEMS, Modems
from tests.spandsp.calls import (
    COMPRESSIONS,
    ENCODINGS,
    Conditions,
    receive_from_spandsp,
    send_to_spandsp,
)
from tests.spandsp.line_faults import spoil_tcf
from tests.sweep import Share, sweep

pytestmark = [pytest.mark.spandsp, pytest.mark.full]

_TO_MODEM = {
    Modem.V17_14400: (ALL_MODEMS, 0),
    Modem.V17_12000: (ALL_MODEMS, 1),
    Modem.V17_9600: (ALL_MODEMS, 2),
    Modem.V17_7200: (ALL_MODEMS, 4),
    Modem.V29_9600: (Modems.V27TER | Modems.V29, 0),
    Modem.V29_7200: (Modems.V27TER | Modems.V29, 1),
    Modem.V27TER_4800: (Modems.V27TER, 0),
    Modem.V27TER_2400: (Modems.V27TER, 1),
}
"""What spandsp has, and how often training fails, until this modem is used."""

_AS_SPANDSP_SAYS = {
    Resolution.INCH_200X100: Resolution.R8_STANDARD,
    Resolution.INCH_200: Resolution.R8_FINE,
    Resolution.INCH_200X400: Resolution.R8_SUPERFINE,
    Resolution.INCH_400: Resolution.R16_SUPERFINE,
}
"""libspandsp 0.0.6 knows these by their metric twins only."""
_MODES = [(True, Coding.MMR), (True, Coding.MR), (True, Coding.MH), (False, Coding.MR), (False, Coding.MH)]
_RESOLUTIONS = [resolution for resolution in Resolution if resolution not in _AS_SPANDSP_SAYS]


def _transfer(
    folder: Path,
    page: TestPage,
    *,
    sending: bool,
    mode: tuple[bool, Coding],
    modems: Modems = ALL_MODEMS,
    conditions: Conditions,
) -> Negotiated:
    """One page between us and spandsp, compared dot by dot; how it travelled in the end."""
    ecm, coding = mode
    document = write_document(folder / "sent.tif", [page])
    received = folder / "received.tif"
    theirs: MachineOptions = {"modems": modems, "ecm": ecm, "compressions": COMPRESSIONS[coding]}
    if sending:
        options = TransmitOptions(ecm=ecm, codings=(coding,))
        sender, far, _ = send_to_spandsp(document, received, options, theirs, conditions)
        negotiated = sender.negotiated[-1]
    else:
        receiver, far, _ = receive_from_spandsp(
            document, received, ReceiveOptions(ecm=ecm), theirs, conditions
        )
        negotiated = receiver.negotiated[-1]
    figures = far.machine.statistics
    assert ENCODINGS[figures.encoding] == negotiated.mode.coding.value == coding.value
    assert bool(figures.error_correcting_mode) is negotiated.mode.ecm is ecm
    assert figures.bit_rate == negotiated.modem.rate
    return negotiated


def _page(resolution: Resolution, millimetres: int) -> TestPage:
    width = pixels(resolution, millimetres)
    page = text_page(rows=120, width=width, noise_rows=2, y_resolution=resolution.y)
    return replace(page, x_resolution=resolution.x)


@sweep(
    push=Share.PAIRS,
    full=Share.PAIRS,
    modem=_TO_MODEM,
    resolution=_RESOLUTIONS,
    mode=_MODES,
    gateway=[False, True],
    sending=[True, False],
    loss=[0.0, 0.05],
)
def test_every_modem_coding_and_resolution(
    tmp_path: Path,
    modem: Modem,
    resolution: Resolution,
    mode: tuple[bool, Coding],
    gateway: bool,
    sending: bool,
    loss: float,
) -> None:
    modems, failures = _TO_MODEM[modem]
    negotiated = _transfer(
        tmp_path,
        _page(resolution, 215),
        sending=sending,
        mode=mode,
        modems=modems,
        conditions=Conditions(gateway=gateway, loss=loss, fault=spoil_tcf(failures)),
    )
    assert (negotiated.modem, negotiated.mode.resolution) == (modem, resolution)


@sweep(
    push=Share.PAIRS,
    full=Share.PAIRS,
    resolution=Resolution,
    millimetres=[215, 255, 303],
    mode=_MODES,
    gateway=[False, True],
    sending=[True, False],
    loss=[0.0, 0.05],
)
def test_every_resolution_and_width(
    tmp_path: Path,
    resolution: Resolution,
    millimetres: int,
    mode: tuple[bool, Coding],
    gateway: bool,
    sending: bool,
    loss: float,
) -> None:
    negotiated = _transfer(
        tmp_path,
        _page(resolution, millimetres),
        sending=sending,
        mode=mode,
        conditions=Conditions(gateway=gateway, loss=loss),
    )
    said = _AS_SPANDSP_SAYS.get(resolution, resolution)
    assert (negotiated.mode.width, negotiated.mode.resolution) == (pixels(resolution, millimetres), said)
