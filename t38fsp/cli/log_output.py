"""The log of a command, on standard error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import datetime

from sip.logs import CALL
from t38fsp.cli.option_groups import LogFormat, LogOptions
from t38fsp.cli.output import log_to

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
"""Without ``-v``, with one, with two."""


def begin_log(options: LogOptions, *, least: int = 0) -> None:
    """Write what ``sip`` and ``t38fsp`` log to standard error, as if ``-v`` was given ``least`` times.

    The log of other packages is shown from WARNING up, whatever is asked for.
    """
    verbose = min(max(options.verbose, least), len(_LEVELS) - 1)
    # Without -v the loggers have no level of their own, and the root logger's applies: WARNING.
    for name in ("sip", "t38fsp"):
        logging.getLogger(name).setLevel(_LEVELS[verbose] if verbose else logging.NOTSET)
    if options.log_format is LogFormat.JSON:
        formatter: logging.Formatter = JsonFormatter()
    else:
        # Warnings alone are shown like the other lines of a command.
        formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s" if verbose else None)
    log_to(sys.stderr, formatter)


class JsonFormatter(logging.Formatter):
    """One object a record: time (ISO 8601), level, logger, message, trace, and what is known of its call."""

    def format(self, record: logging.LogRecord) -> str:
        import json  # only where it is asked for

        call: Mapping[str, str] = getattr(record, CALL, {})
        fields = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info or record.exc_text:
            fields["trace"] = record.exc_text or self.formatException(record.exc_info or (None, None, None))
        # Those of the call come from another process at times: they replace none of ours.
        return json.dumps(fields | {key: value for key, value in call.items() if key not in fields})
