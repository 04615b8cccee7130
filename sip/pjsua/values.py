"""Conversions between values of PJSIP and ours."""

from __future__ import annotations

from collections.abc import Sequence

import pjsua2 as pj

from sip.syntax.errors import ParseError
from sip.syntax.message import Request, Response, parse_message
from sip.ua.incoming import RETRY_AFTER


def describe(error: Exception) -> str:
    return str(error.reason) if isinstance(error, pj.Error) else str(error)


def parameters_with(headers: Sequence[tuple[str, str]]) -> pj.CallOpParam:
    parameters = pj.CallOpParam(True)
    parameters.opt.videoCount = 0
    for name, value in headers:
        header = pj.SipHeader()
        header.hName, header.hValue = name, value
        parameters.txOption.headers.append(header)
    return parameters


def parameters_for(status: int) -> pj.CallOpParam:
    parameters = parameters_with([("Retry-After", RETRY_AFTER)] if status == 503 else [])
    parameters.statusCode = status
    return parameters


def message_of(event: pj.SipEvent) -> Request | Response | None:
    """The message that an event is about, sent or received."""
    body = event.body
    text = ""
    if event.type == pj.PJSIP_EVENT_TSX_STATE:
        if body.tsxState.type == pj.PJSIP_EVENT_RX_MSG:
            text = body.tsxState.src.rdata.wholeMsg
        elif body.tsxState.type == pj.PJSIP_EVENT_TX_MSG:
            text = body.tsxState.src.tdata.wholeMsg
    elif event.type == pj.PJSIP_EVENT_RX_MSG:
        text = body.rxMsg.rdata.wholeMsg
    return parse(text) if text else None


def parse(text: str) -> Request | Response:
    return parse_message(text.encode("utf-8", "surrogateescape"))


def request_in(text: str) -> Request:
    message = parse(text)
    if not isinstance(message, Request):
        raise ParseError("a re-INVITE is not a request")
    return message


def response_in(text: str) -> Response | None:
    message = parse(text)
    return message if isinstance(message, Response) else None
