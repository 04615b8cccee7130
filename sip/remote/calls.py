"""The calls of a line in another process, on the side that owns the calls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from sip.ipc.codec import WireError, function_name
from sip.line import Answered, Answerer, CallRequest, Ended, Failed, Incoming, LineEvent
from sip.remote.wire import Accept, AnswerWith, HangUp, Offer, Place, Refuse, Ring, Verb
from sip.syntax.errors import UnsupportedError
from sip.syntax.sdp import MediaDescription
from sip.values import Credentials


@dataclass(slots=True)
class _Call:
    number: int
    """The number in messages."""
    answered: bool = False


class RemoteCalls:
    """Converts method calls to messages for ``send``, and received messages to events.

    An answerer must be a function of a module, a ``functools.partial`` of one with plain values, or an object
    of a dataclass; methods that take one raise UnsupportedError otherwise.

    Call numbers come from ``numbers``, so that several processes can serve one line. When the other process
    is lost, ``lose`` makes the last event of every call.
    """

    def __init__(
        self, numbers: Iterator[int], send: Callable[[Verb], None], answerers: Collection[str]
    ) -> None:
        self._numbers = numbers
        self._send = send
        self.answerers = answerers
        """Names of the functions that the other process allows as answerers."""
        self._calls: dict[int, _Call] = {}
        self._incoming: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __contains__(self, call: int) -> bool:
        return call in self._calls

    def __iter__(self) -> Iterator[int]:
        return iter(self._calls)

    # --- verbs ----------------------------------------------------------------------------------------------

    def place(self, request: CallRequest) -> int:
        self._check(request.answerer)
        call = next(self._numbers)
        self._send(Place(call, request))
        # After it was sent: a request that cannot be encoded raises, and then there is no call.
        self._calls[call] = _Call(call)
        return call

    def ring(self, call: int) -> None:
        if (known := self._calls.get(call)) is not None:
            self._send(Ring(known.number))

    def accept(
        self,
        call: int,
        media: Sequence[MediaDescription],
        media_address: str,
        answerer: Answerer,
        credentials: Credentials | None,
    ) -> None:
        self._check(answerer)
        if (known := self._calls.get(call)) is not None:
            self._send(Accept(known.number, media, media_address, answerer, credentials))

    def refuse(self, call: int, status: int) -> None:
        if (known := self._calls.get(call)) is not None:
            self._send(Refuse(known.number, status))

    def answer_with(self, call: int, answerer: Answerer) -> None:
        self._check(answerer)
        if (known := self._calls.get(call)) is not None:
            self._send(AnswerWith(known.number, answerer))

    def offer(self, call: int, media: Sequence[MediaDescription]) -> None:
        if (known := self._calls.get(call)) is not None:
            self._send(Offer(known.number, media))

    def hang_up(self, call: int, reason: str | None) -> None:
        if (known := self._calls.get(call)) is not None:
            self._send(HangUp(known.number, reason))

    def _check(self, answerer: Answerer) -> None:
        try:
            name = function_name(answerer)
        except WireError as error:
            raise UnsupportedError(str(error)) from error
        if name not in self.answerers:
            raise UnsupportedError(
                f"the other process does not let {name} answer offers; start it with that answerer"
            )

    # --- what comes back ------------------------------------------------------------------------------------

    def event(self, event: LineEvent) -> LineEvent | None:
        """The event with our number of the call; None for an unknown call."""
        if isinstance(event, Incoming):
            call = next(self._numbers)
            self._calls[call] = _Call(event.call)
            self._incoming[event.call] = call
        else:
            call = self._incoming.get(event.call, event.call)
            if call not in self._calls:
                return None
        if isinstance(event, Answered):
            self._calls[call].answered = True
        elif isinstance(event, Failed | Ended):
            self._forget(call)
        return replace(event, call=call)

    def not_placed(self, number: int, reason: str) -> LineEvent | None:
        """The other side refused a command for call ``number``: the last event of the call."""
        call = self._incoming.get(number, number)
        return self._lost(call, reason) if call in self._calls else None

    def lose(self, reason: str) -> list[LineEvent]:
        """The other process is lost: the last events of its calls."""
        return [self._lost(call, reason) for call in list(self._calls)]

    def _lost(self, call: int, reason: str) -> LineEvent:
        answered = self._calls[call].answered
        self._forget(call)
        # 503: no call can be placed at the moment, and a later one may succeed.
        return Ended(call, False, reason) if answered else Failed(call, 503, reason, local=True, advice="")

    def _forget(self, call: int) -> None:
        self._incoming.pop(self._calls.pop(call).number, None)
