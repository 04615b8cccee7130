"""Calls that tests are made of: pages, the applications at both ends, and one line between them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from t38fsp.t30.options import ReceiveOptions, TransmitOptions
from t38fsp.t30.receiver import Receiver
from t38fsp.t30.transmitter import Transmitter
from t38fsp.t30.vocabulary import PageFormat, PageMode, Resolution
from tests.t30.link import Damage, Link, Sender, Store

FINE = PageFormat(1728, 2287, Resolution.R8_FINE)
STANDARD = PageFormat(1728, 1143, Resolution.R8_STANDARD)
WIDE = PageFormat(2432, 2287, Resolution.R8_FINE)

OURS, THEIRS = "+1 555 0100", "+1 555 0199"


def coded(index: int, octets: int = 6000) -> bytes:
    """Stands for a coded page: any octets, none of them zero."""
    return bytes(random.Random(index).choices(range(1, 256), k=octets))


def call(
    pages: Sequence[PageFormat] = (FINE, FINE),
    *,
    sending: TransmitOptions | None = None,
    receiving: ReceiveOptions | None = None,
    damage: Damage | None = None,
    octets: int = 6000,
    sender: Sender | None = None,
    store: Store | None = None,
    delay: float = 0.05,
    modems: bool = True,
) -> Link:
    """A call that is ready to run."""

    def code(index: int, mode: PageMode) -> bytes:
        return coded(index, octets)

    return Link(
        Transmitter(pages, sending or TransmitOptions(OURS)),
        Receiver(receiving or ReceiveOptions(THEIRS)),
        sender or Sender(code),
        store,
        damage,
        delay,
        modems,
    )


def run(pages: Sequence[PageFormat] = (FINE, FINE), **conditions: Any) -> Link:
    """A call from beginning to end; see :func:`call`."""
    link = call(pages, **conditions)
    link.run()
    return link


def assert_delivered(link: Link, pages: int, octets: int = 6000) -> None:
    """Both ends call it a success, and every page is there as it was sent, but for ECM's padding."""
    for machine in (link.transmitter, link.receiver):
        finished = link.finished(machine)
        assert finished.error is None, finished
        assert finished.pages_confirmed == pages
    assert sorted(link.store.pages) == list(range(pages))
    for index, octets_stored in link.store.pages.items():
        assert octets_stored[:octets] == coded(index, octets)
        assert not any(octets_stored[octets:])


def assert_honest(link: Link, octets: int = 6000) -> None:
    """No page counts as sent that the far end did not store as it was sent."""
    confirmed = [outcome for outcome in link.outcomes(link.transmitter) if outcome.confirmed]
    assert link.finished(link.transmitter).pages_confirmed == len(confirmed)
    stored = [page[:octets] for page in link.store.kept]
    for outcome in confirmed:
        assert coded(outcome.index, octets) in stored
    if link.finished(link.transmitter).error is None:
        assert len(confirmed) == link.page_count
