"""An answerer that kills PJSIP, in whose process it runs: no transport has that number, which is asserted."""

from __future__ import annotations

import pjsua2

from sip.syntax.sdp import SessionDescription


def provoke(offer: SessionDescription) -> None:
    pjsua2.Endpoint.instance().transportClose(99)
