"""The boundary to PJSIP: values of its and ours, and callbacks that let no exception out to it.

The traceback of an exception would keep the call object alive, which later aborts the process.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import pjsua2 as pj

from sip.logs import get_logger
from sip.syntax.errors import ParseError, UnsendableError
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


_logger = get_logger(__name__)


class Numbered(Protocol):
    number: int


Call = TypeVar("Call", bound=Numbered)
P = ParamSpec("P")


def guarded(callback: Callable[Concatenate[Call, P], None]) -> Callable[Concatenate[Call, P], None]:
    """Make a method of a call log the errors of PJSIP, of parsing and of the system, instead of raising
    them."""

    @functools.wraps(callback)
    def wrapper(call: Call, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            callback(call, *args, **kwargs)
        except (pj.Error, ParseError, UnsendableError, OSError) as error:
            _logger.warning("call %d: %s", call.number, describe(error))

    return wrapper
