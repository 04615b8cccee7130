"""Dialogs against RFC 3261 12."""

from __future__ import annotations

import pytest

from sip.syntax.errors import ParseError
from sip.syntax.message import Headers, Request, Response
from sip.ua.dialog import Dialog, contact_of
from sip.ua.target import Target
from sip.values import DialogId
from tests.sip.link import BOB

FIELDS = (
    ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-1"),
    ("From", '"A" <sip:a@a.example>;tag=aa'),
    ("To", "<sip:b@b.example>"),
    ("Call-ID", "c1"),
    ("CSeq", "7 INVITE"),
    ("Contact", "<sip:a@192.0.2.1:5066>"),
)


def invite(*more: tuple[str, str]) -> Request:
    return Request("INVITE", "sip:b@b.example", Headers([*FIELDS, *more]))


def ok(*more: tuple[str, str], contact: str = "<sip:b@192.0.2.2:5070>") -> Response:
    headers = Headers([*FIELDS, *more])
    headers.set("To", "<sip:b@b.example>;tag=bb")
    headers.set("Contact", contact)
    return Response(200, "OK", headers)


def test_the_caller_reads_the_route_set_backwards() -> None:
    dialog = Dialog.from_response(
        invite(), ok(("Record-Route", "<sip:p2.example;lr>, <sip:p1.example:5062;lr>")), BOB
    )
    assert dialog.id == DialogId("c1", "aa", "bb")
    assert str(dialog.id) == "c1;local-tag=aa;remote-tag=bb"
    assert dialog.next_hop() == Target("p1.example", 5062)
    bye = dialog.request("BYE")
    assert bye.uri == "sip:b@192.0.2.2:5070"
    assert bye.headers.get_all("Route") == ["<sip:p1.example:5062;lr>", "<sip:p2.example;lr>"]
    assert bye.headers.get("From") == '"A" <sip:a@a.example>;tag=aa'
    assert bye.headers.get("To") == "<sip:b@b.example>;tag=bb"
    assert str(bye.cseq) == "8 BYE"
    assert str(dialog.request("INVITE").cseq) == "9 INVITE"
    assert str(dialog.ack(7).cseq) == "7 ACK"


def test_the_called_side_reads_it_forwards() -> None:
    dialog = Dialog.from_request(
        invite(("Record-Route", "<sip:p2.example;lr>, <sip:p1.example;lr>")), "t", BOB
    )
    assert dialog.id == DialogId("c1", "t", "aa")
    bye = dialog.request("BYE")
    assert bye.headers.get_all("Route") == ["<sip:p2.example;lr>", "<sip:p1.example;lr>"]
    assert bye.uri == "sip:a@192.0.2.1:5066"
    assert bye.headers.get("To") == '"A" <sip:a@a.example>;tag=aa'
    assert bye.headers.get("From") == "<sip:b@b.example>;tag=t"


def test_a_strict_router_gets_itself_as_request_uri() -> None:
    dialog = Dialog.from_response(
        invite(), ok(("Record-Route", "<sip:p2.example;lr>, <sip:p1.example>")), BOB
    )
    bye = dialog.request("BYE")
    assert bye.uri == "sip:p1.example"
    assert bye.headers.get_all("Route") == ["<sip:p2.example;lr>", "<sip:b@192.0.2.2:5070>"]
    assert dialog.next_hop() == Target("p1.example")


def test_without_routes_requests_go_to_the_contact() -> None:
    dialog = Dialog.from_response(invite(), ok(), BOB)
    assert dialog.next_hop() == Target("192.0.2.2", 5070)


@pytest.mark.parametrize("contact", ["*", "<mailto:b@b.example>", "<sip:b@[::1>"])
def test_a_contact_that_is_no_sip_uri_leaves_the_target(contact: str) -> None:
    answer = ok(contact=contact)
    assert contact_of(answer) is None
    assert Dialog.from_response(invite(), answer, BOB).target == "sip:b@b.example"


def test_an_invite_without_contact_makes_no_dialog() -> None:
    request = invite()
    request.headers.remove("Contact")
    with pytest.raises(ParseError, match="no Contact"):
        Dialog.from_request(request, "t", BOB)


def test_requests_out_of_order_are_told_from_those_in_order() -> None:
    dialog = Dialog.from_request(invite(), "t", BOB)

    def info(number: int) -> Request:
        return Request("INFO", "sip:b@b.example", Headers([("CSeq", f"{number} INFO")]))

    def comes(number: int) -> bool:
        return dialog.check_cseq(info(number), BOB)

    assert [comes(number) for number in (8, 8, 7, 20, 4294967295, 1)] == [
        True,
        True,
        False,
        True,
        True,
        False,
    ]


def test_the_target_follows_the_contact_and_the_routes_stay() -> None:
    dialog = Dialog.from_response(invite(), ok(("Record-Route", "<sip:p1.example;lr>")), BOB)
    dialog.refresh_target(ok(("Record-Route", "<sip:other.example;lr>"), contact="<sip:new@192.0.2.9>"))
    bye = dialog.request("BYE")
    assert bye.uri == "sip:new@192.0.2.9"
    assert bye.headers.get_all("Route") == ["<sip:p1.example;lr>"]
    nothing = ok()
    nothing.headers.remove("Contact")
    dialog.refresh_target(nothing)
    assert dialog.target == "sip:new@192.0.2.9"
