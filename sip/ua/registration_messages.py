"""Requests to a registrar, its responses, and the state of a registration (RFC 3261 10)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from sip.frozen import dataclass
from sip.line_settings import RegistrationSettings
from sip.syntax.errors import ParseError, UnsendableError
from sip.syntax.message import NameAddress, Response
from sip.syntax.uri import Uri, parse_request_uri, parse_uri
from sip.ua.dialog import DEFAULT_PORT
from sip.values import Address, Hop

LONGEST_EXPIRY = 2**32 - 1
"""Largest value of Expires, in seconds (RFC 3261 20.19)."""
FIRST_RETRY = 30.0
"""Seconds before the first retry after a failure; each further one in a row doubles it (RFC 5626 4.5)."""
LONGEST_RETRY = 1800.0
"""Seconds that a retry waits at most (RFC 5626 4.5), save that the registrar may ask for more."""
LONGEST_RETRY_AFTER = 3600
"""Seconds of Retry-After that are obeyed."""

_OURS = frozenset(
    {"via", "from", "to", "call-id", "cseq", "contact", "expires", "max-forwards", "content-length"}
)
"""Headers that a caller may not set."""
_MAX_BINDINGS = 64
"""Contacts of an answer among which ours is looked for."""
_LASTING = frozenset({400, 401, 402, 403, 404, 405, 407, 410, 416, 420, 423, 501, 505, 604, 606})
"""Refusals that the same request would meet again soon, such as of a wrong password: retries are rare."""


@dataclass(frozen=True, slots=True)
class RegistrationRequest:
    """A registration to keep up.

    ``destination`` are the hops that the REGISTER may take, best first (``sip.ua.failover``). ``features``
    are quoted parameters of our Contact (RFC 3840). ``headers`` are added to each REGISTER.
    """

    settings: RegistrationSettings
    destination: Sequence[Hop]
    features: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


def check_request(request: RegistrationRequest) -> None:
    """Raises ParseError for a URI, and UnsendableError for anything else that no REGISTER can be made of."""
    for name, _ in request.headers:
        if name.lower() in _OURS:
            raise UnsendableError(f"{name} is a header that the user agent sets itself")
    if not request.destination:
        raise UnsendableError("the REGISTER has no destination")
    parse_request_uri(request.settings.registrar)
    parse_request_uri(NameAddress.parse(request.settings.identity).uri)


# --- states, which are the events, too ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unregistered:
    """Not begun, or ended."""

    registration: int


@dataclass(frozen=True, slots=True)
class Registering:
    """The first REGISTER, or the first after a failure, is on its way."""

    registration: int


@dataclass(frozen=True, slots=True)
class Registered:
    """Calls for the address of record reach us. Emitted for each refresh."""

    registration: int
    until: float
    """When the binding ends if no refresh succeeds; on the caller's clock, as all times."""
    contact: str
    """URI that the registrar sends calls to: user, host and port of ours."""
    service_route: tuple[str, ...] = ()
    """Route values for our requests through this registrar (RFC 3608)."""
    path: tuple[str, ...] = ()
    """Proxies that calls to us pass (RFC 3327)."""
    seen_from: Address | None = None
    """Our address as the far end sees it (RFC 3581), if it reports one."""


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """A REGISTER came to nothing. ``status`` is 408 when there was no answer, 0 when none could be sent. It
    is tried again at ``retry_at``, which is infinite when it is not; until then a binding from before may
    still hold."""

    registration: int
    status: int
    reason: str
    retry_at: float


RegistrationState = Unregistered | Registering | Registered | RegistrationFailed


# --- reading the answer -------------------------------------------------------------------------------------


def granted(response: Response, contact: Uri, asked: int) -> int:
    """Seconds that a 2xx gives to ``contact`` (RFC 3261 10.2.4), when ``asked`` were asked for.

    It is found by its user, host and port: some registrars drop or add parameters. Where it is missing (some
    send back the address they see instead, or none), what they say in general counts.
    """
    default = asked
    if (general := response.headers.get("Expires")) is not None:
        default = delta_seconds(general, default)
    others: list[int] = []
    for value in response.headers.get_all("Contact")[:_MAX_BINDINGS]:
        try:
            binding = NameAddress.parse(value)
            uri = parse_uri(binding.uri)
        except ParseError:
            continue
        expires = binding.params.get("expires")
        seconds = default if expires is None else delta_seconds(expires, default)
        if same_place(uri, contact):
            return seconds
        others.append(seconds)
    return others[0] if len(others) == 1 else default


def retry_after(response: Response | None, failures: int, random: Random) -> float:
    """Seconds from a failure to the next attempt (RFC 5626 4.5) after this number of ``failures``.
    ``response`` is None when there was none."""
    asked = 0 if response is None else delta_seconds(response.headers.get("Retry-After"))
    if asked:
        return float(min(asked, LONGEST_RETRY_AFTER))
    # The failures are bounded, because a power of 1024 does not fit into a float.
    longest = min(FIRST_RETRY * 2.0 ** min(failures, 16), LONGEST_RETRY)
    if response is not None and response.status in _LASTING:
        longest = LONGEST_RETRY
    # RFC 5626 4.5: at random, so that the clients of a registrar that failed do not all return together.
    return longest * random.uniform(0.5, 1.0)


def seen_from(response: Response) -> Address | None:
    """Where the far end saw our request come from (RFC 3581 4); None if it does not report it."""
    via = response.via
    if via.received is None and via.rport is None:
        return None
    return via.received or via.host, via.rport or via.port or DEFAULT_PORT


def same_place(one: Uri, other: Uri) -> bool:
    """Whether two URIs agree in user, host and port."""
    return (one.user, one.host.lower(), one.port or DEFAULT_PORT) == (
        other.user,
        other.host.lower(),
        other.port or DEFAULT_PORT,
    )


def delta_seconds(text: str | None, default: int = 0) -> int:
    """The number at the beginning of a header value (RFC 3261 20.33 allows more after it); else default."""
    found = re.match(r"\s*([0-9]{1,10})(?![0-9])", text or "")
    return default if found is None else min(int(found[1]), LONGEST_EXPIRY)
