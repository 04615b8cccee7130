"""What every log record of one call begins with, and carries as fields: its job, numbers, file and dialog."""

from __future__ import annotations

import logging
import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from sip.line import Incoming
from sip.logs import CALL
from t38fsp.choices import LogNumbers
from t38fsp.engine.known_facts import user_of
from t38fsp.jobs import PollJob, ReceiveJob, SendJob

_SHOWN = 3
"""Last characters of a masked number: enough to tell calls apart, too few to dial."""
_LEAST = 2 * _SHOWN
"""Characters of a number of which any is shown."""
_LONGEST = 64
"""Characters of a number or a name, which a caller chooses, in the prefix of a record."""


@dataclass(slots=True)
class CallFacts:
    """``caller`` is empty for a call that we place; ``dialog`` is the Call-ID alone until there is one."""

    job: int
    number: str
    """The one that is dialled, by us or by the caller."""
    caller: str
    document: str
    """Base name of the file that is sent or received; of several the first, and how many follow."""
    numbers: LogNumbers
    dialog: str = ""

    @classmethod
    def of(
        cls, job: int, what: SendJob | PollJob | ReceiveJob, incoming: Incoming | None, numbers: LogNumbers
    ) -> CallFacts:
        """``incoming`` is the call that a ReceiveJob takes; None when it is gone already."""
        caller = ""
        if not isinstance(what, ReceiveJob):
            number = user_of(what.target)
        elif incoming is None:
            number = ""
        else:
            number, caller = user_of(incoming.called), user_of(incoming.caller)
        file = what.files[0] if isinstance(what, SendJob) else what.file
        more = f" +{len(what.files) - 1}" if isinstance(what, SendJob) and len(what.files) > 1 else ""
        document = os.path.basename(file)[: _LONGEST - len(more)] + more
        return cls(job, number[:_LONGEST], caller[:_LONGEST], document, numbers)

    def shown(self, text: str) -> str:
        """``text`` without the numbers, if they are masked; short ones would be found in other words."""
        if self.numbers is LogNumbers.MASKED:
            for number in (self.number, self.caller):
                text = text.replace(number, masked(number)) if len(number) >= _LEAST else text
        return text

    def _shown_number(self, number: str) -> str:
        return number if self.numbers is LogNumbers.FULL else masked(number)

    def fields(self) -> dict[str, str]:
        """By the names that they have in a log of JSON; those that are not known are left out."""
        known = {
            "job": str(self.job),
            "number": self._shown_number(self.number),
            "caller": self._shown_number(self.caller),
            "document": self.document,
            "dialog": self.dialog,
        }
        return {name: value for name, value in known.items() if value}

    def prefix(self) -> str:
        """``fax 3 to +15550100, letter.tif, DIALOG``."""
        caller = f" from {self._shown_number(self.caller)}" if self.caller else ""
        number = f" to {self._shown_number(self.number)}" if self.number else ""
        return ", ".join(filter(None, (f"fax {self.job}{caller}{number}", self.document, self.dialog)))


def masked(number: str) -> str:
    """All but the last three characters as asterisks; all of a number with fewer than six."""
    shown = number[-_SHOWN:] if len(number) >= _LEAST else ""
    return "*" * (len(number) - len(shown)) + shown


class CallLog(logging.LoggerAdapter[logging.Logger]):
    """Logs to ``logger`` with the facts of a call."""

    def __init__(self, logger: logging.Logger, facts: CallFacts) -> None:
        super().__init__(logger)
        self.facts = facts

    def under(self, logger: logging.Logger) -> CallLog:
        """The same call in the log of another module."""
        return CallLog(logger, self.facts)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        # First, since most records are dropped, and the facts cost more than that.
        if not self.isEnabledFor(level):
            return
        extra = {**(kwargs.pop("extra", None) or {}), CALL: self.facts.fields()}
        # The numbers may be in an address that an error repeats; numbers (%d, %.1f) stay what they are.
        arguments = (
            each if each is None or isinstance(each, int | float) else self.facts.shown(str(each))
            for each in args
        )
        # The record belongs to the caller, past this frame.
        level_up = kwargs.pop("stacklevel", 1) + 1
        self.logger.log(
            level,
            f"%s: {msg}",
            self.facts.prefix(),
            *arguments,
            extra=extra,
            stacklevel=level_up,
            **kwargs,
        )

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Not used: :meth:`log` adds the prefix as an argument, as a number may hold a percent sign."""
        return msg, kwargs
