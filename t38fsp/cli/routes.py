"""``t38fsp routes``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sip.syntax.uri import parse_uri
from sip.ua.identity import ANONYMOUS, hides
from sip.ua.target import Target
from t38fsp.cli.exits import CommandError, Exit
from t38fsp.cli.output import print_line
from t38fsp.jobs import LISTEN
from t38fsp.settings.file import Configuration, ConfigurationError, no_file
from t38fsp.settings.local import Endpoint
from t38fsp.settings.route import Route

_SHOWN = {
    "peer",
    "proxy",
    "transport",
    "user",
    "password",
    "caller",
    "caller_name",
    "registration",
    "expires",
    "address_of_record",
    "registrar",
    "channels",
    "switch",
    "asserted_identity",
    "preferred_identity",
    "privacy",
    "headers",
}
"""Settings that the derived lines show."""


def run(config: Path | None, as_json: bool) -> Exit:
    try:
        configuration = Configuration.find(config)
    except ConfigurationError as error:
        raise _all_of(error.sentences) from error
    if configuration.file is None:
        raise CommandError(no_file(), Exit.USAGE)
    if wrong := [*configuration.check(), *_of_service(configuration)]:
        raise _all_of(wrong)
    # JSON has routes only, one object a line, so that a program can read them as they come.
    if not as_json:
        print_line(f"{configuration.file}: {', '.join(configuration.names) or 'no routes'}", sys.stdout)
        _print(_own_end(configuration.endpoint))
    for name in configuration.names:
        _show(configuration.route(name), as_json)
    return Exit.COMPLETED


def _all_of(wrong: Sequence[str]) -> CommandError:
    """Print all sentences but the last, which is that of the error."""
    for sentence in wrong[:-1]:
        print_line(f"t38fsp: {sentence}", sys.stderr)
    return CommandError(wrong[-1], Exit.USAGE)


def _show(route: Route, as_json: bool) -> None:
    if as_json:
        # A password comes out as asterisks.
        settings: dict[str, Any] = route.model_dump(mode="json")
        print_line(json.dumps({"route": route.name} | settings), sys.stdout)
        return
    print_line("", sys.stdout)
    print_line(route.name, sys.stdout)
    _print(_lines(route))


def _of_service(configuration: Configuration) -> Sequence[str]:
    """What is wrong in ``[service]``."""
    if not configuration.service:
        return ()
    from t38fsp.service.settings_file import read_service

    try:
        read_service(configuration)
    except ConfigurationError as error:
        return error.sentences
    return ()


def _print(lines: dict[str, object]) -> None:
    for key, value in lines.items():
        print_line(f"  {key:20} {value}", sys.stdout)


def _own_end(endpoint: Endpoint) -> dict[str, object]:
    """Where we are reached, and what differs from the default."""
    if endpoint.signalling is not None:
        always = {"listens": f"as the signalling process at {endpoint.signalling} does"}
    else:
        always = {"listens": f"at {endpoint.listen or ':'.join(map(str, LISTEN))}, UDP and TCP"}
    changed = endpoint.model_dump(
        mode="json", exclude={"routes", "listen", "signalling"}, exclude_defaults=True
    )
    if accounts := endpoint.incoming.accounts:
        # Names alone; the passwords stay in the file.
        changed["incoming"]["accounts"] = [each.user for each in accounts]
    return always | _flat(changed)


def _lines(route: Route) -> dict[str, object]:
    """What would be used, for a person: what is always of interest, and what differs from the default."""
    engine = route.engine_route
    registration = None if engine is None else engine.registration
    always: dict[str, object] = {
        "goes to": str(Target.of(parse_uri(f"sip:{route.via}"))),
        "a number becomes": route.target("+15550100"),
        "From": _from(route),
        "user": route.user or "none",
        "registration": "none"
        if registration is None
        else f"{registration.identity} at {registration.registrar}, {registration.expires} s",
        "channels": (engine and engine.channels) or "no limit",
        "switch": route.call.switch.value,
    }
    changed = route.model_dump(mode="json", exclude=_SHOWN, exclude_defaults=True)
    identity = {
        "P-Asserted-Identity": " ".join(route.identity.asserted),
        "P-Preferred-Identity": route.identity.preferred,
        "Privacy": ";".join(route.identity.privacy),
    }
    said = {name: value for name, value in identity.items() if value}
    return always | route.headers | said | _flat(changed)


def _from(route: Route) -> str:
    return ANONYMOUS if hides(route.identity) else route.from_ or "our address"


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in settings.items():
        if isinstance(value, list) and any(isinstance(each, dict) for each in value):
            for number, each in enumerate(value, 1):
                flat |= _flat(each, f"{prefix}{key}.{number}.")
        elif isinstance(value, list):
            flat[f"{prefix}{key}"] = ", ".join(map(str, value))
        elif isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            # As the file has it.
            flat[f"{prefix}{key}"] = str(value).lower() if isinstance(value, bool) else value
    return flat
