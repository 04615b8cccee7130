"""``t38fsp signalling``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sip.remote.signalling import serve
from sip.syntax.errors import SipError
from sip.values import Hop
from t38fsp.cli import sentences
from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.log_output import begin_log
from t38fsp.cli.option_groups import LogOptions
from t38fsp.cli.options import allowing, listen_at
from t38fsp.cli.output import print_line
from t38fsp.cli.running import stopped
from t38fsp.engine.sip_lines import signalling_for
from t38fsp.settings.file import Configuration, ConfigurationError


def run(
    config: Path | None, socket: Path | None, listen: str | None, allow: tuple[str, ...], log: LogOptions
) -> Exit:
    try:
        engine = Configuration.find(config).engine
        callers = allowing(allow, engine.callers)
    except ConfigurationError as error:
        raise CommandError(error.sentences[0], Exit.USAGE) from error
    path = engine.signalling if socket is None else str(socket)
    if path is None:
        raise CommandError("no socket is named; give its path, or set signalling in the file", Exit.USAGE)
    engine = replace(engine if listen is None else listen_at(engine, listen), callers=callers)
    settings = signalling_for(engine, path)

    def on_ready(addresses: Sequence[Hop]) -> None:
        for line in sentences.of_addresses(addresses):
            print_line(line, sys.stdout)

    # At least 1: only the log shows which engines connect and disconnect.
    begin_log(log, least=1)
    try:
        asyncio.run(serve(settings, on_ready))
    except SipError as error:
        raise CommandError(str(error), Exit.ERROR) from error
    stopped()
    return Exit.COMPLETED
