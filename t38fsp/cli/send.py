"""``t38fsp send``."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path

from sip.frozen import dataclass
from t38fsp.cli import running, sentences
from t38fsp.cli.exits import CommandError, Exit, exit_for
from t38fsp.cli.options import Chosen
from t38fsp.cli.placing import placed
from t38fsp.cli.report import Reporter, print_json
from t38fsp.cover import Cover
from t38fsp.jobs import Addressing
from t38fsp.outcome import Outcome
from t38fsp.settings.errors import ConfigurationError

PASSWORD_OPTION = "--document-password-file FILE"
"""How the password of a document is given."""


@dataclass(frozen=True, slots=True)
class FaxToSend:
    """What to send, and to whom."""

    documents: tuple[Path, ...]
    to: str
    first_page: int = 1
    sub_address: str = ""
    sender_id: str = ""
    password: str | None = field(default=None, repr=False)
    """Password of encrypted documents."""
    cover: Cover | None = None


def password_in(file: Path | None) -> str | None:
    """The password in the file, if there is one. Raises CommandError."""
    if file is None:
        return None
    from t38fsp.settings.passwords import read_password

    try:
        return read_password(file)
    except ConfigurationError as error:
        raise CommandError(str(error), Exit.USAGE) from error


def run(fax: FaxToSend, chosen: Chosen, as_json: bool) -> Exit:
    # T.30 can code 20 characters of a small set (5.3.6.2.4): what it cannot is refused here, before the
    # call.
    try:
        addressing = Addressing(fax.sub_address, fax.sender_id)
    except ValueError as error:
        raise CommandError(str(error), Exit.USAGE) from error
    return running.run(_send(fax, addressing, chosen, as_json))


async def _send(fax: FaxToSend, addressing: Addressing, chosen: Chosen, as_json: bool) -> Exit:
    reporter = Reporter(as_json=as_json)
    result = await placed(
        chosen,
        reporter,
        lambda provider, call: provider.send(
            fax.documents,
            fax.to,
            route=chosen.name,
            via=chosen.via,
            caller=chosen.caller,
            password=fax.password,
            cover=fax.cover,
            resume=fax.first_page,
            addressing=addressing,
            on_event=call.event,
        ),
    )
    status = exit_for(result)
    if as_json:
        print_json(result, exit_status=status, next_page=result.next_page)
    else:
        missing = f": {PASSWORD_OPTION}" if result.outcome is Outcome.ENCRYPTED else ""
        reporter.result(sentences.of_result(result) + missing)
        # A document that could not be read has no pages to go on with.
        if result.pages and (result.next_page or 1) > 1:
            reporter.result(f"to send only the rest: --resume-from {result.next_page}")
    return status
