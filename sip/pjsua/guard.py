"""Keeps exceptions out of PJSIP: a traceback would keep the call object alive, which later aborts the
process."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import pjsua2 as pj

from sip.logs import get_logger
from sip.pjsua.values import describe
from sip.syntax.errors import ParseError, UnsendableError

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
