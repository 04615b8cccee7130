"""One user agent in simulated time, and the messages that a far end under the test's control says to it."""

from __future__ import annotations

from random import Random

from sip.agent import UserAgent
from sip.line import CallRequest, LineEvent
from sip.line_settings import Limits, SessionTimers
from sip.syntax.message import Headers, NameAddress, Request, Response, parse_message
from sip.syntax.sdp import MediaDescription, Origin, SessionDescription
from sip.values import Hop
from tests.sip.link import ALICE, AUDIO, BOB, call_request


def sdp(*media: MediaDescription, version: int = 1) -> bytes:
    """A description of the far end."""
    return bytes(SessionDescription(Origin("-", "7", version, BOB.host), BOB.host, media or (AUDIO,)))


class Solo:
    """A user agent at ALICE that talks to BOB, which is the test."""

    def __init__(
        self,
        *,
        seed: int = 1,
        limits: Limits = Limits(),
        session_timers: SessionTimers | None = None,
    ) -> None:
        self.now = 1000.0
        self.agent = UserAgent(
            contact_address=ALICE.address,
            user_agent="alice/1",
            random=Random(seed),
            limits=limits,
            session_timers=session_timers,
        )
        self.events: list[LineEvent] = []
        self._branches = 0

    def place(self, request: CallRequest | None = None) -> Request:
        """Place a call; returns the INVITE."""
        self.agent.place(request or call_request(), self.now)
        return self.request("INVITE")

    def answered(self, *fields: tuple[str, str], **changes: object) -> tuple[Request, Response]:
        """Place a call and answer it, with these header fields; returns the INVITE and the 200."""
        invite = self.place(call_request(**changes))
        ok = self.reply(invite, 200, body=sdp(), fields=fields)
        self.request("ACK")
        return invite, ok

    def say(self, message: Request | Response, source: Hop = BOB) -> None:
        self.hear(bytes(message), source)

    def hear(self, data: bytes, source: Hop = BOB) -> None:
        self.agent.receive(data, source, self.now)
        self.events += self.agent.take_events()

    def reply(
        self,
        request: Request,
        status: int,
        *,
        tag: str = "bob",
        body: bytes = b"",
        fields: tuple[tuple[str, str], ...] = (),
        contact: str = f"<sip:bob@{BOB.host}:{BOB.port}>",
        source: Hop = BOB,
    ) -> Response:
        """Answer a request of the agent."""
        headers = Headers(
            (name, value) for name in ("Via", "From", "Call-ID", "CSeq") for value in _all(request, name)
        )
        to = request.headers.get("To") or ""
        headers.add("To", to if status == 100 or request.to.tag else f"{to};tag={tag}")
        if request.method == "INVITE":
            headers.add("Contact", contact)
        for name, value in fields:
            headers.add(name, value)
        if body:
            headers.add("Content-Type", "application/sdp")
        response = Response(status, "Because", headers, body)
        self.say(response, source)
        return response

    def ask(
        self,
        method: str,
        *,
        number: int = 1,
        call_id: str = "call-of-bob",
        from_: str = "<sip:bob@bob.example>;tag=bob",
        to: str = "<sip:alice@a.example>",
        body: bytes = b"",
        branch: str | None = None,
        fields: tuple[tuple[str, str], ...] = (),
        source: Hop = BOB,
        via: str | None = None,
        contact: str = f"<sip:bob@{BOB.host}:{BOB.port}>",
    ) -> Request:
        """Send the agent a request."""
        self._branches += 1
        branch = branch or f"z9hG4bK-{self._branches}"
        headers = Headers(
            [
                ("Via", via or f"SIP/2.0/UDP {BOB.host}:{BOB.port};branch={branch};rport"),
                ("Max-Forwards", "70"),
                ("From", from_),
                ("To", to),
                ("Call-ID", call_id),
                ("CSeq", f"{number} {method}"),
                ("Contact", contact),
                *fields,
            ]
        )
        if body and "Content-Type" not in headers:
            headers.add("Content-Type", "application/sdp")
        request = Request(method, f"sip:alice@{ALICE.host}", headers, body)
        self.say(request, source)
        return request

    def ask_within(
        self, ok: Response, method: str, number: int, body: bytes = b"", **more: object
    ) -> Request:
        """Send a request within the dialog of a call that the agent placed and ``ok`` answered."""
        return self.ask(
            method,
            number=number,
            call_id=ok.call_id,
            from_=ok.headers.get("To") or "",
            to=ok.headers.get("From") or "",
            body=body,
            **more,  # type: ignore[arg-type]
        )

    def sent(self) -> list[Request | Response]:
        """What the agent sent since the last look."""
        return [message for message, _ in self.sent_to()]

    def sent_to(self) -> list[tuple[Request | Response, Hop]]:
        """What the agent sent since the last look, and where to."""
        return [(parse_message(data), hop) for data, hop in self.agent.take_datagrams()]

    def request(self, method: str) -> Request:
        """The one request that the agent sent since the last look."""
        found = [each for each in self.sent() if isinstance(each, Request)]
        assert [each.method for each in found] == [method]
        return found[0]

    def response(self) -> Response:
        """The one response that the agent sent since the last look."""
        (found,) = self.sent()
        assert isinstance(found, Response)
        return found

    def statuses(self) -> list[int]:
        """The statuses that the agent answered with since the last look; it must have sent nothing else."""
        found = self.sent()
        assert all(isinstance(each, Response) for each in found)
        return [each.status for each in found if isinstance(each, Response)]

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while (when := self.agent.next_deadline()) is not None and when <= end:
            self.now = max(self.now, when)
            self.agent.handle_deadline(self.now)
            self.events += self.agent.take_events()
        self.now = end


def _all(message: Request, name: str) -> list[str]:
    return message.headers.get_all(name)


def tag_of(value: str | None) -> str | None:
    return NameAddress.parse(value or "").tag
