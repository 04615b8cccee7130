"""Finds the transaction that a message belongs to (RFC 3261 17.1.3, 17.2.3), and knows where responses go.

Responses go back on the connection that a request came on, or to the address it came from (RFC 3261 18.2.2,
RFC 3581); to the port in Via only when that connection is gone, or the sender did not ask for ``rport``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from sip.syntax.message import Request, Response, Via
from sip.transaction.client import ClientTransaction, FailureUser, ResponseUser, SentAck, Way
from sip.transaction.failed_hops import FailedHops
from sip.transaction.machines import T1, ServerTransaction, State
from sip.transaction.timers import Timers
from sip.transaction.via import response_address
from sip.values import NO_REASON, Address, Hop, NetworkFault, Transport

MAGIC_COOKIE = "z9hG4bK"
"""What a branch begins with when it is unique (RFC 3261 8.1.1.7)."""
LARGEST_DATAGRAM = 1300
"""Octets of a request above which TCP is tried before UDP (RFC 3261 18.1.1)."""
MAX_TRANSACTIONS = 4096
"""Default limit of unfinished server transactions of a layer."""
_FINISHED_FOR_EACH = 4
"""Finished server transactions kept to absorb retransmissions, per unfinished one allowed."""
_LARGE = 4096
_MOST_LARGE = 256
"""Characters of headers above which a request counts as large, and the number of finished large ones kept:
large requests of strangers must not accumulate, nor displace the transactions of others."""

_ClientKey = tuple[str, str]
_ServerKey = tuple[str | int | None, ...]


class TransactionLayer:
    """All transactions of one user agent.

    ``sent_by`` returns the address of ours that a destination sees. With ``tcp``, large requests for UDP go
    by TCP instead, unless it is refused. ``limit`` is how many server transactions may be unfinished before
    the layer calls itself :attr:`full`. Those that have their final response wait 64*T1 for copies, the
    oldest of too many for less.
    """

    def __init__(
        self,
        timers: Timers,
        random: Random,
        sent_by: Callable[[Hop], Address],
        failed_hops: FailedHops,
        *,
        tcp: bool = False,
        limit: int,
    ) -> None:
        self._timers = timers
        self._random = random
        self._sent_by = sent_by
        self._failed_hops = failed_hops
        self._tcp = tcp
        self._limit = limit
        self._clients: dict[_ClientKey, ClientTransaction] = {}
        self._servers: dict[_ServerKey, ServerTransaction] = {}
        self._finished: dict[_ServerKey, None] = {}
        """Keys of those that are answered, the oldest first."""
        self._finished_large: dict[_ServerKey, None] = {}
        self._requests: dict[_ServerKey, _ServerKey] = {}
        self._acks: set[SentAck] = set()
        self._datagrams: list[tuple[bytes, Hop]] = []

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    def destinations(self) -> set[Hop]:
        """The destinations of all transactions."""
        return {each.destination for each in (*self._clients.values(), *self._servers.values())}

    def take_datagrams(self) -> list[tuple[bytes, Hop]]:
        taken, self._datagrams = self._datagrams, []
        return taken

    # --- what we send ---------------------------------------------------------------------------------------

    def request(
        self,
        request: Request,
        hops: Sequence[Hop],
        on_response: ResponseUser,
        on_failure: FailureUser,
        now: float,
    ) -> ClientTransaction:
        """Add our Via and send ``request``; each hop is tried only if the network refuses the one before, or
        nothing is received from there."""
        branch = self._branch()
        ways: list[Way] = []
        ours: set[Hop] = set()
        for hop in hops:
            by_datagram = self._with_via(request, hop, branch)
            over_tcp = replace(hop, transport=Transport.TCP)
            large = hop.transport is Transport.UDP and len(bytes(by_datagram)) > LARGEST_DATAGRAM
            # RFC 3261 18.1.1 wants TCP above 1300 octets, and UDP again where that is refused. Many peers
            # have no TCP, so a hop that failed is remembered.
            if large and self._tcp and over_tcp not in self._failed_hops:
                ways.append(Way(self._with_via(request, over_tcp, branch), over_tcp))
                ours.add(over_tcp)
            ways.append(Way(by_datagram, hop))

        def silent(hop: Hop, now: float) -> None:
            # Only where we chose TCP ourselves: silence proves less than a refusal does.
            if hop in ours:
                self._failed_hops.add(hop, now)

        return self._begin(ways, on_response, on_failure, now, silent)

    def cancel(self, cancel: Request, invite: ClientTransaction, now: float) -> None:
        """Send ``cancel`` with the branch and to the destination of ``invite`` (RFC 3261 9.1)."""
        # One Via, the same as in the INVITE: that is how the next hop finds the transaction.
        cancel.headers.insert_first("Via", str(invite.request.via))
        self._begin([Way(cancel, invite.destination)], _ignore_response, _ignore_failure, now)

    def acknowledge(
        self, ack: Request, hops: Callable[[], Sequence[Hop]], flow: Callable[[], Hop], now: float
    ) -> SentAck:
        """Send the ACK of a 2xx; ``hops`` and ``flow`` are as in SentAck."""
        branch = self._branch()
        sent = SentAck(lambda hop: self.send_octets(bytes(self._with_via(ack, hop, branch)), hop), hops, flow)
        self._acks.add(sent)
        # As long as the 2xx may come again.
        self._timers.at(now + 64 * T1, lambda late: self._acks.discard(sent))
        return sent

    def send_octets(self, octets: bytes, destination: Hop) -> None:
        self._datagrams.append((octets, destination))

    def refused(self, hop: Hop, now: float, fault: NetworkFault = NO_REASON) -> None:
        """The network refuses what is sent to ``hop``: avoid it, if that included a request of ours."""
        # Not for an answer to a stranger: he would choose what we avoid.
        clients = self._clients_at(hop)
        acks = [ack for ack in self._acks if ack.went_to(hop)]
        if clients or acks:
            self._failed_hops.add(hop, now)
        self._redirect_responses(hop)
        # The ACK first: what comes after it would arrive before the call is up.
        for ack in acks:
            ack.unreachable()
        for client in clients:
            client.unreachable(now, fault)

    def disconnected(self, hop: Hop, now: float, fault: NetworkFault = NO_REASON) -> None:
        """The connection with ``hop`` is gone, with anything in transit."""
        self._redirect_responses(hop)
        for client in self._clients_at(hop):
            client.disconnected(now, fault)

    def _clients_at(self, hop: Hop) -> list[ClientTransaction]:
        return [client for client in self._clients.values() if client.destination == hop]

    def _redirect_responses(self, hop: Hop) -> None:
        for server in self._servers.values():
            if server.destination == hop and hop.transport.reliable:
                # A new connection to the address in the sender's Via (RFC 3261 18.2.2).
                port = server.request.via.port or hop.transport.default_port
                server.destination = replace(hop, port=port)

    # --- what comes in --------------------------------------------------------------------------------------

    def receive_response(self, response: Response, source: Hop, now: float) -> None:
        """Pass a response to its transaction; drop one that matches none."""
        vias = response.headers.get_all("Via")
        transaction = self._clients.get((response.via.branch or "", response.cseq.method))
        # More than one Via means that it was for another element (RFC 3261 8.1.3.3).
        # An exact match of branch and method (RFC 3261 17.1.3); CANCEL shares the branch of its INVITE, so
        # the method counts.
        if transaction is not None and len(vias) == 1:
            transaction.receive(response, source, now)

    def absorb(self, request: Request, now: float) -> bool:
        """Whether ``request`` was a retransmission for an existing transaction, or the ACK of a failure."""
        transaction = self._servers.get(_server_key(request))
        if transaction is None:
            return False
        if request.method == "ACK":
            # That of a 2xx is for the dialog, though some give it the branch of the INVITE (RFC 6026 7.1).
            if transaction.state is State.ACCEPTED:
                return False
            transaction.acknowledged(now)
        else:
            transaction.repeated(now)
        return True

    def merged(self, request: Request) -> bool:
        """Whether the same request arrived before by another path (RFC 3261 8.2.2.2)."""
        return _request_key(request) in self._requests

    @property
    def full(self) -> bool:
        """Whether the number of requests without a final response has reached the limit for new calls."""
        finished = len(self._finished) + len(self._finished_large)
        return len(self._servers) - finished >= self._limit

    def serve(self, request: Request, source: Hop) -> ServerTransaction:
        """A new server transaction."""
        key = _server_key(request)
        name = _request_key(request)
        # Not in the functions below, which would keep the request, and with it its body.
        large = sum(len(header) + len(value) for header, value in request.headers) > _LARGE

        def end() -> None:
            del self._servers[key]
            self._finished.pop(key, None)
            self._finished_large.pop(key, None)
            if self._requests.get(name) == key:
                del self._requests[name]

        def final() -> None:
            finished = self._finished_large if large else self._finished
            finished[key] = None
            # The oldest first: its copies, if any, have most likely come by now.
            if len(finished) > (_MOST_LARGE if large else _FINISHED_FOR_EACH * self._limit):
                self._servers[next(iter(finished))].end()

        transaction = ServerTransaction(
            request, source, response_address(request.via, source), self._timers, self.send_octets, end, final
        )
        self._servers[key] = transaction
        self._requests[name] = key
        return transaction

    def cancelled(self, cancel: Request, source: Hop) -> ServerTransaction | None:
        """The transaction of the INVITE that ``cancel`` refers to, or None (RFC 3261 9.2).

        It must come from the same address: a CANCEL is sent hop by hop, as its INVITE was (RFC 3261 9.1).
        """
        invite = self._servers.get(_server_key(cancel, "INVITE"))
        return invite if invite is not None and invite.source.host == source.host else None

    # --------------------------------------------------------------------------------------------------------

    def _branch(self) -> str:
        return f"{MAGIC_COOKIE}{self._random.getrandbits(96):024x}"

    def _with_via(self, request: Request, hop: Hop, branch: str) -> Request:
        host, port = self._sent_by(hop)
        # An empty rport asks for responses to where we send from (RFC 3581 3), as every NAT needs.
        via = Via(hop.transport.value, host, port, {"branch": branch, "rport": None})
        headers = request.headers.copy()
        headers.insert_first("Via", str(via))
        return replace(request, headers=headers)

    def _begin(
        self,
        ways: Sequence[Way],
        on_response: ResponseUser,
        on_failure: FailureUser,
        now: float,
        on_silence: Callable[[Hop, float], None] = lambda hop, now: None,
    ) -> ClientTransaction:
        request = ways[0].request
        key = (request.via.branch or "", request.method)
        transaction = ClientTransaction(
            ways,
            self._timers,
            self.send_octets,
            on_response,
            on_failure,
            lambda: self._clients.__delitem__(key),
            on_silence,
        )
        self._clients[key] = transaction
        transaction.start(now)
        return transaction


def _server_key(request: Request, method: str | None = None) -> _ServerKey:
    """The key that a request shares with its retransmissions, its CANCEL, and the ACK of its failure.

    A branch should be unique, but some clients use one for all their requests, such as the bare cookie. Other
    fields that retransmissions have in common (RFC 3261 9.1, 17.1.1.3) distinguish their calls.
    """
    via = request.via
    method = method or ("INVITE" if request.method == "ACK" else request.method)
    common = request.call_id, request.from_.tag, request.cseq.number, method
    if via.branch is not None and via.branch.startswith(MAGIC_COOKIE):
        return via.branch, via.host.lower(), via.port, *common
    # A client of RFC 2543 (RFC 3261 17.2.3).
    return str(via), *common


def _request_key(request: Request) -> _ServerKey:
    return request.call_id, request.from_.tag, str(request.cseq)


def _ignore_response(response: Response, source: Hop, now: float) -> None:
    """The response to CANCEL is ignored (RFC 3261 9.1)."""


def _ignore_failure(failure: object, now: float) -> None:
    """As above."""
