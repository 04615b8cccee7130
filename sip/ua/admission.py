"""Which callers are admitted: known addresses, accounts with a password, or all; others may get no response.

The agent consults it before it does anything for a request that belongs to no dialog and no transaction. No
state is kept per request: a nonce contains its time and a MAC (RFC 7616 5.4), so strangers cannot exhaust
memory.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from random import Random
from typing import Protocol

from sip.frozen import dataclass
from sip.line_settings import Callers
from sip.logs import get_logger
from sip.syntax.digest import Challenge, claim, make_challenge, verify
from sip.syntax.message import Request
from sip.values import Hop

_logger = get_logger(__name__)

NONCE_LIFE = 60.0
"""Lifetime of a nonce in seconds."""
ALGORITHMS = ("SHA-256", "MD5")
"""What is offered, best first (RFC 8760 2.4)."""

_NONCE = re.compile("([0-9]{1,12})-([0-9a-f]{32})")
_MAX_TOLD = 256
"""Sources that are logged, once each."""

# --- verdicts -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Admit:
    """Serve it."""


@dataclass(frozen=True, slots=True)
class RefuseCaller:
    """Answer with ``status``."""

    status: int


@dataclass(frozen=True, slots=True)
class Ignore:
    """Do not respond, so that a scan for SIP servers finds nothing."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Answer 401 with these challenges."""

    challenges: tuple[Challenge, ...]


Verdict = Admit | RefuseCaller | Ignore | Demand


class AdmissionPolicy(Protocol):
    """The interface that the agent uses."""

    @property
    def challenges(self) -> bool:
        """Whether it may challenge callers for a password."""

    def admit(self, request: Request, source: Hop, now: float) -> Verdict:
        """What to do with a valid request from outside any dialog; not ACK."""

    def silent(self, source: Hop) -> bool:
        """Whether ``source`` gets no refusals of any kind, not even of malformed messages."""

    def stranger(self, source: Hop) -> bool:
        """Whether ``source`` is admitted only because all addresses are."""


class AdmitAll:
    """Admits every caller: the policy of a line that only trusted hops can reach."""

    challenges = False

    def admit(self, request: Request, source: Hop, now: float) -> Verdict:
        return Admit()

    def silent(self, source: Hop) -> bool:
        return False

    def stranger(self, source: Hop) -> bool:
        return False  # others know


# --- the policy ---------------------------------------------------------------------------------------------


class Admission:
    """Admits loopback addresses, ``peers`` (addresses, which may be replaced), and ``callers``.

    Others get no answer if the callers are ``silent``, else 403. With accounts every caller is challenged, so
    no request is ignored. ``advice`` is appended to the log message about a caller that is not admitted.
    """

    def __init__(
        self,
        random: Random,
        callers: Callers = Callers(),
        *,
        realm: str = "sip",
        advice: str = "",
    ) -> None:
        self.peers: frozenset[str] = frozenset()
        self._networks = callers.networks
        self._passwords: Mapping[str, str] = {
            account.username: account.password for account in callers.accounts
        }
        self._realm = realm
        self._open = callers.any_address
        self._silent = callers.silent and not callers.accounts
        self._advice = advice
        self._secret = random.randbytes(32)
        self._told: set[str] = set()

    @property
    def challenges(self) -> bool:
        return bool(self._passwords)

    def admit(self, request: Request, source: Hop, now: float) -> Verdict:
        if self.knows(source):
            return Admit()
        if self._passwords:
            return self._authenticate(request, source, now)
        self._tell(request, source)
        return Ignore() if self._silent else RefuseCaller(403)

    def silent(self, source: Hop) -> bool:
        # Malformed requests, too, would show a scanner that SIP is spoken here.
        return self._silent and not self.knows(source)

    def knows(self, source: Hop) -> bool:
        """Whether ``source`` is admitted by its address alone."""
        return self._open or self._has_address(source)

    def stranger(self, source: Hop) -> bool:
        return self._open and not self._has_address(source)

    def _has_address(self, source: Hop) -> bool:
        if source.host in self.peers:
            return True
        try:
            address = ip_address(source.host.partition("%")[0])
        except ValueError:
            return False
        # A socket for both families shows IPv4 peers as ::ffff:192.0.2.1.
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address.is_loopback or any(address in network for network in self._networks)

    # --- digest ---------------------------------------------------------------------------------------------

    def _authenticate(self, request: Request, source: Hop, now: float) -> Verdict:
        stale = False
        for value in request.headers.get_all("Authorization"):
            name, nonce = claim(value)
            password = self._passwords.get(name)
            if password is None or not self._is_ours(nonce, request, source):
                continue
            right = any(
                verify(
                    value,
                    make_challenge(self._realm, nonce, algorithm),
                    username=name,
                    password=password,
                    method=request.method,
                    uri=request.uri,
                    body=request.body,
                )
                for algorithm in ALGORITHMS
            )
            if right and self._is_fresh(nonce, now):
                return Admit()
            # RFC 7616 3.3: with ``stale`` a client tries again by itself, without asking a person
            # for the password.
            stale = stale or right
        fresh = self._nonce(int(now), request, source)
        return Demand(
            tuple(make_challenge(self._realm, fresh, algorithm, stale=stale) for algorithm in ALGORITHMS)
        )

    def _nonce(self, second: int, request: Request, source: Hop) -> str:
        """Valid for one caller and one call, so that an eavesdropper gains little."""
        # NUL is in none of the three, so no two sets of values have one text.
        sealed = f"{second}\0{source.host}\0{request.call_id}".encode("utf-8", "surrogateescape")
        return f"{second}-{hmac.new(self._secret, sealed, hashlib.sha256).hexdigest()[:32]}"

    def _is_ours(self, nonce: str, request: Request, source: Hop) -> bool:
        found = _NONCE.fullmatch(nonce)
        if found is None:
            return False
        return hmac.compare_digest(nonce, self._nonce(int(found[1]), request, source))

    def _is_fresh(self, nonce: str, now: float) -> bool:
        return now - int(nonce.partition("-")[0]) <= NONCE_LIFE

    # --------------------------------------------------------------------------------------------------------

    def _tell(self, request: Request, source: Hop) -> None:
        """Log each source once, in case it should have been allowed."""
        if request.method == "INVITE" and source.host not in self._told and len(self._told) < _MAX_TOLD:
            self._told.add(source.host)
            _logger.warning(
                "a call from %s is not admitted: its address is not allowed%s", source, self._advice
            )
