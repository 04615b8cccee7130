"""Events and results of calls, in words for a person."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from sip.syntax.uri import Uri
from sip.values import Hop, Transport
from t38fsp import events
from t38fsp.results import FaxResult, PageRecord
from t38fsp.status import FaxStatus

_SPEAKS_FOR_ITSELF = frozenset({FaxStatus.COMPLETED, FaxStatus.USER_ABORT, FaxStatus.BAD_DOCUMENT})
"""Statuses whose reason already states whether to send again."""


def of_event(event: events.FaxEvent) -> str:
    """One line for a person; empty for events that need none."""
    match event:
        case events.Delayed(text=text):
            return text
        case events.Dialing(target=target):
            return f"calling {target}"
        case events.Ringing(status=status, reason=reason):
            return f"ringing ({status} {reason})"
        case events.Connected(dialog=dialog):
            return f"connected, dialog {dialog}"
        case events.SwitchedToT38(ours=ours):
            return f"switched to T.38 ({'we' if ours else 'the far end'} asked for it)"
        case events.BeganInAudio():
            return "the call stays in audio, and the fax goes there"
        case events.Identified(station_id=station_id):
            return f"the far end is {station_id}" if station_id else ""
        case events.Addressed(sub_address=sub_address, sender_id=sender_id):
            named = [("for", sub_address), ("from", sender_id)]
            return "the fax is " + " ".join(f"{word} {text}" for word, text in named if text)
        case events.Warned(text=text):
            return f"warning: {text}"
        case events.Trained(bit_rate=rate, coding=coding, ecm=ecm):
            correction = "error correction" if ecm else "no error correction"
            speed = f"trained at {rate} bit/s" if rate else "agreed to send without modem pace"
            return f"{speed}, {coding.value}, {correction}"
        case events.PageStarted(number=number, total=total):
            return f"page {number}{f' of {total}' if total else ''}"
        case events.PageDone(record=record):
            return of_page(record)
        case _:
            return ""


def of_addresses(addresses: Sequence[Hop]) -> list[str]:
    """Where we listen, a line for each; UDP and TCP share one."""
    uris = [
        Uri("sip", None, *hop.address, {"transport": "tls"} if hop.transport is Transport.TLS else {})
        for hop in addresses
    ]
    return [f"listening on {uri}" for uri in dict.fromkeys(map(str, uris))]


def of_registration(event: events.RegistrationChanged) -> str:
    match event.status:
        case events.RegistrationStatus.REGISTERED:
            return f"registered at {event.route} for {event.seconds:.0f} s"
        case events.RegistrationStatus.FAILED:
            again = f"; trying again in {event.seconds:.0f} s" if isfinite(event.seconds) else ""
            return f"not registered at {event.route}: {event.reason}{again}"
        case events.RegistrationStatus.REGISTERING:
            return f"registering at {event.route}"
        case events.RegistrationStatus.UNREGISTERED:
            return f"unregistered at {event.route}"


def of_page(page: PageRecord) -> str:
    if page.confirmed:
        verdict = f"confirmed ({page.response})"
    else:
        verdict = f"not confirmed ({page.response or 'never sent'})"
    repeats = f", {page.repeats} repeated" if page.repeats else ""
    repeats += f", {page.bad_rows} bad rows" if page.bad_rows else ""
    return f"page {page.number} {verdict}: {page.octets} octets in {page.seconds:.1f} s{repeats}"


def of_result(result: FaxResult, files: Sequence[str] = ()) -> str:
    """How it ended, and the files that were received: ``files``, or that of the result."""
    text = f"{result.status.name}: {result.reason}"
    # The called end cannot send again, so its sentence says what the caller can do.
    if result.incoming and not result.completed:
        text += f"; {result.retry_reason}"
    elif result.status not in _SPEAKS_FOR_ITSELF:
        again = "polling" if result.polled else "sending"
        text += f"; {again} again {'can' if result.retry else 'cannot'} help: {result.retry_reason}"
    files = files or ([] if result.file is None else [result.file])
    return f"{text} -> {', '.join(files)}" if files else text
