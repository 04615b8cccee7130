"""What a fax is addressed to, in the form that decides which faxes go to one far end.

Faxes with the same key are sent one after the other, share the memory of what the far end took, and are
subject to the same permits; so ``030 1234567``, ``+49 30 1234567`` and ``0049-30-1234567`` have to have one
key.
"""

from __future__ import annotations

import hashlib

from sip.frozen import dataclass
from sip.syntax.uri import Uri
from t38fsp.settings.address import number_or_sip_uri
from t38fsp.settings.dial_plan import DialPlan

LONGEST_KEY = 120
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class DialledNumber:
    """Whom a fax goes to."""

    key: str
    """E.164 where that is known, else the number as it is dialled, or ``sip:USER@HOST``; up to 120
    characters."""
    number: str = ""
    """The number without separators, as it was written; of a SIP URI the user. Empty if there is none."""
    e164: str | None = None
    """The number with its country code, if it is known."""
    uri: str = ""
    """``sip:USER@HOST`` if it was given as a URI."""


def far_end(to: str, plan: DialPlan) -> DialledNumber:
    """The far end of a number or a SIP URI that is dialled by ``plan``. Raises AddressError."""
    dialled = number_or_sip_uri(to)
    if isinstance(dialled, Uri):
        return _of_uri(dialled, plan)
    e164 = plan.e164(dialled)
    return DialledNumber(_bounded(e164 or plan.ruled(dialled).lower()), dialled, e164)


def _of_uri(uri: Uri, plan: DialPlan) -> DialledNumber:
    user = uri.user or ""
    # Parameters, passwords and headers are how to get there, not who it is.
    # 5060 is what a URI without a port means (RFC 3261 19.1.2).
    port = f":{uri.port}" if uri.port not in (None, 5060) else ""
    name = f"sip:{user}@{uri.host.lower()}{port}" if user else f"sip:{uri.host.lower()}{port}"
    number = user.partition(";")[0]
    is_number = number.removeprefix("+").isdigit()
    return DialledNumber(_bounded(name), number, plan.e164(number) if is_number else None, name)


def _bounded(key: str) -> str:
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:_DIGEST]
    return f"{key[: LONGEST_KEY - _DIGEST - 1]}-{digest}"
