"""SIP user agent for calls with any media: the line interface, its backends, and the values they share.

Each name is loaded when it is first used. :class:`SipLine` has the verbs of a call, and :data:`LineEvent`
what happens to it; :class:`AgentLine` serves them on sockets. Nothing here knows fax. All modules below are
private.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip.line import Answered as Answered
    from sip.line import Answerer as Answerer
    from sip.line import CallRequest as CallRequest
    from sip.line import Ended as Ended
    from sip.line import Failed as Failed
    from sip.line import Incoming as Incoming
    from sip.line import LineEvent as LineEvent
    from sip.line import MediaChanged as MediaChanged
    from sip.line import OfferDeclined as OfferDeclined
    from sip.line import Offerer as Offerer
    from sip.line import OfferRefused as OfferRefused
    from sip.line import Ringing as Ringing
    from sip.line import SipLine as SipLine
    from sip.line_settings import Limits as Limits
    from sip.line_settings import SessionTimers as SessionTimers
    from sip.line_settings import TlsSettings as TlsSettings
    from sip.syntax.errors import ParseError as ParseError
    from sip.syntax.errors import SipError as SipError
    from sip.syntax.errors import UnsendableError as UnsendableError
    from sip.syntax.errors import UnsupportedError as UnsupportedError
    from sip.syntax.sdp import MediaDescription as MediaDescription
    from sip.syntax.sdp import SessionDescription as SessionDescription
    from sip.transport.agent_on_network import AgentLine as AgentLine
    from sip.values import Address as Address
    from sip.values import Credentials as Credentials
    from sip.values import DialogId as DialogId
    from sip.values import Hop as Hop
    from sip.values import Identity as Identity
    from sip.values import Transport as Transport
else:
    from sip.exports import exports

    # The same imports for run time; a test compares the two.
    _MODULES = {
        "sip.line": (
            "Answered",
            "Answerer",
            "CallRequest",
            "Ended",
            "Failed",
            "Incoming",
            "SipLine",
            "LineEvent",
            "MediaChanged",
            "OfferDeclined",
            "OfferRefused",
            "Offerer",
            "Ringing",
        ),
        "sip.line_settings": ("Limits", "SessionTimers", "TlsSettings"),
        "sip.syntax.errors": ("ParseError", "SipError", "UnsendableError", "UnsupportedError"),
        "sip.syntax.sdp": ("MediaDescription", "SessionDescription"),
        "sip.transport.agent_on_network": ("AgentLine",),
        "sip.values": (
            "Address",
            "Credentials",
            "DialogId",
            "Hop",
            "Identity",
            "Transport",
        ),
    }
    __getattr__, __dir__ = exports(__name__, _MODULES)
