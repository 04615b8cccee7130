"""SIPp and spandsp on both ends of one call: SIP, the switch to T.38, and a page over real UDP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers import sip_peer
from tests.peers.libtiff import assert_same_pages
from tests.peers.machine import Role
from tests.peers.pages import text_page, write_document
from tests.peers.programs import PeerError
from tests.peers.realtime import RealTimePeer, udp_socket
from tests.peers.terminal import SpandspTerminal

pytestmark = [pytest.mark.spandsp, pytest.mark.sipp]


@pytest.mark.full
def test_a_page_over_sip_and_udp(tmp_path: Path) -> None:
    document = write_document(tmp_path / "sent.tif", [text_page(rows=200, noise_rows=0)])
    received = tmp_path / "received.tif"
    calling_socket, called_socket = udp_socket(), udp_socket()
    called = RealTimePeer(SpandspTerminal(Role.ANSWERING, rx_file=received), called_socket)
    calling = RealTimePeer(SpandspTerminal(Role.CALLING, tx_file=document), calling_socket)
    with (
        sip_peer.answerer(tmp_path, called.address[1]) as answerer,
        sip_peer.caller(tmp_path, calling.address[1], answerer.address) as caller,
    ):
        for party, fax in ((caller, calling), (answerer, called)):
            party.expect("call")
            (port,) = party.expect("image")
            fax.connect(("127.0.0.1", int(port)))
        with called, calling:
            assert calling.done.wait(200)
            assert called.done.wait(200)
        caller.hang_up()
        caller.expect("bye")
        answerer.expect("bye")
        caller.wait()
        answerer.wait()
        assert caller.messages.count("m=image") == 2
    assert calling.machine.completion is not None
    assert calling.machine.completion.ok, calling.machine.completion.text
    assert assert_same_pages(document, received) == 1


def test_the_called_party_hangs_up(tmp_path: Path) -> None:
    with (
        sip_peer.answerer(tmp_path, 40000, pause=0.05) as answerer,
        sip_peer.caller(tmp_path, 40002, answerer.address) as caller,
    ):
        assert answerer.expect("call") == caller.expect("call")
        assert answerer.expect("image") == ["40002"]
        assert caller.expect("image") == ["40000"]
        answerer.hang_up()
        for party in (answerer, caller):
            party.expect("bye")
            party.wait()


def test_a_refused_switch_is_an_error(tmp_path: Path) -> None:
    with (
        sip_peer.answerer(tmp_path, 40000, pause=30.0) as answerer,
        sip_peer.caller(tmp_path, 40002, answerer.address, switches=True) as caller,
    ):
        answerer.expect("call")
        with pytest.raises(PeerError, match="status"):
            answerer.wait()
        caller.expect("call")
