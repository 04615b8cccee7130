"""Calls between two user agents in simulated time."""

from __future__ import annotations

from sip.line import Answered, Ended, Incoming, LineEvent, MediaChanged, Ringing
from tests.sip.link import ALICE, AUDIO, BOB, IMAGE, Link, call_request, mirror


def answering(link: Link) -> None:
    """Have Bob ring and accept what comes."""

    def on_event(event: LineEvent) -> None:
        if isinstance(event, Incoming):
            link.bob.ring(event.call, link.now)
            assert event.offer is not None
            link.bob.accept(event.call, mirror(event.offer), BOB[0], mirror, link.now)

    link.on_event[BOB] = on_event


def test_a_call_from_invite_to_bye() -> None:
    link = Link()
    answering(link)
    call = link.alice.place(call_request(), link.now)
    link.run(1)
    link.bob.offer(1, [IMAGE], link.now)
    link.run(1)
    link.alice.hang_up(call, link.now, reason="done")
    link.run()
    assert link.said(ALICE) == ["INVITE", "ACK", "200 INVITE", "BYE"]
    assert link.said(BOB) == ["100 INVITE", "180 INVITE", "200 INVITE", "INVITE", "ACK", "200 BYE"]
    ringing, answered, changed, ended = link.events[ALICE]
    assert isinstance(ringing, Ringing)
    assert isinstance(answered, Answered)
    assert isinstance(changed, MediaChanged)
    assert changed.remote.media == (IMAGE,)
    assert not changed.ours
    assert isinstance(ended, Ended)
    assert not ended.remote
    incoming, answered, changed, ended = link.events[BOB]
    assert isinstance(incoming, Incoming)
    assert incoming.caller == "sip:alice@a.example"
    assert isinstance(answered, Answered)
    assert answered.remote.media == (AUDIO,)
    assert isinstance(changed, MediaChanged)
    assert changed.ours
    assert isinstance(ended, Ended)
    assert ended.remote
    assert ended.reason == "done"
    assert link.idle
