"""Messages between a program and its engine process."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sip.ipc.codec import LENGTH_OCTETS, WireError
from sip.ipc.messages import Alive, Close, Logged, NotStarted, Started
from sip.line_settings import (
    LEAST_SESSION,
    LONGEST_SESSION,
    Callers,
    Limits,
    Refresher,
    RegistrationSettings,
    SessionTimers,
    TlsSettings,
)
from sip.values import Credentials, DialogId
from t38fsp.call_settings import CallSettings
from t38fsp.choices import Switch
from t38fsp.cover import Cover
from t38fsp.engine.wire import (
    CODEC,
    MAX_FRAME,
    Abort,
    Called,
    Gone,
    JobHappened,
    Message,
    Poll,
    Proceed,
    Receive,
    RefuseWaiting,
    Send,
    StartEngine,
)
from t38fsp.events import Connected, Finished, RegistrationChanged
from t38fsp.header import Header
from t38fsp.jobs import (
    Addressing,
    EngineRoute,
    EngineSettings,
    PollJob,
    PollOffer,
    ReceiveJob,
    Resume,
    SendJob,
)
from t38fsp.page_settings import PageSettings
from t38fsp.results import FaxResult, PageRecord
from t38fsp.status import FaxStatus
from t38fsp.t30.options import PollDocument, PollOptions
from t38fsp.t30.outputs import T30Failure
from t38fsp.t30.vocabulary import Coding
from tests.sweep import examples

st.register_type_strategy(
    CallSettings,
    st.builds(
        CallSettings,
        station_id=st.text("+ 0123456789", max_size=20),
        ecm=st.booleans(),
        max_rate=st.sampled_from((2400, 9600, 14400)),
        switch=st.sampled_from(Switch),
        redundancy=st.integers(0, 7),
    ),
)
st.register_type_strategy(
    SessionTimers,
    st.builds(
        SessionTimers,
        session_expires=st.none() | st.integers(200, LONGEST_SESSION),
        least=st.integers(LEAST_SESSION, 200),
        refresher=st.sampled_from(Refresher),
    ),
)


def within(cls: type, **bounded: st.SearchStrategy[object]) -> None:
    """Make settings of a class by their types, but those that have bounds within them."""
    others = {field.name: ... for field in fields(cls)}
    st.register_type_strategy(cls, st.builds(cls, **{**others, **bounded}))  # type: ignore[arg-type]


MANY = st.integers(1, 10000)
within(RegistrationSettings, expires=st.integers(1, 604800))
within(EngineRoute, channels=st.none() | MANY)
within(Limits, calls=MANY, waiting=MANY, per_source=st.none() | MANY, transactions=st.integers(16, 1000000))
within(Callers, allow=st.lists(st.sampled_from(("any", "192.0.2.0/24", "2001:db8::7"))).map(tuple))
within(TlsSettings, certificate=st.text(), key=st.text())
within(
    EngineSettings,
    take_limit=st.floats(0.1, 100.0),
    audio_calls=MANY,
    workers=st.none() | st.integers(1, 64),
    image_workers=st.none() | MANY,
)
within(
    PageSettings,
    margin=st.floats(0.0, 50.0),
    page_seconds=st.none() | st.floats(0.1, 3600.0),
    font=st.sampled_from(("", "DejaVuSans.ttf")),
)
SHORT = st.text(max_size=200)
within(
    Cover,
    to_name=SHORT,
    from_name=SHORT,
    subject=SHORT,
    comment=SHORT,
    fields=st.lists(st.tuples(SHORT, SHORT), max_size=3).map(tuple),
)
DIGITS = st.text("0123456789#*", max_size=20)
st.register_type_strategy(Addressing, st.builds(Addressing, DIGITS))
st.register_type_strategy(PollDocument, st.builds(PollDocument, DIGITS, DIGITS))
st.register_type_strategy(
    PollOptions, st.builds(PollOptions, DIGITS, DIGITS, DIGITS, tries=st.integers(1, 5), cng=st.booleans())
)
st.register_type_strategy(
    Header, st.builds(Header, st.sampled_from(("{page}", "{date}|{name}|{to}")), st.text(max_size=20))
)
st.register_type_strategy(
    Resume,
    st.builds(
        Resume,
        st.integers(1, 1000),
        st.lists(st.from_type(PageRecord), max_size=3).map(tuple),
        st.none() | st.integers(),
    ),
)
MESSAGES = st.one_of(
    *map(
        st.from_type,
        (
            *(StartEngine, Send, Poll, Receive, Proceed, Abort, RefuseWaiting, Close),
            *(Alive, Started, NotStarted, JobHappened, Called, Gone, RegistrationChanged, Logged),
        ),
    )
)

RESULT = FaxResult(
    FaxStatus.DISCONNECTED,
    "the far end hung up",
    retry=True,
    sip_status=200,
    t30_error=T30Failure.NO_ANSWER_TO_PAGE,
    dialog=DialogId("a@b", "c", "d"),
    pages=(PageRecord(1, True, "MCF", 14400, Coding.MMR, True, 20000, 3, 12.5), PageRecord(2, False)),
    counters={"lost": 3, "recovered": 2},
)


@pytest.mark.parametrize(
    "message",
    [
        Send(7, SendJob(("a.tif",), "sip:1@b", "sip:c@d", credentials=Credentials("user", "secret"))),
        Send(8, SendJob(("\udcff.tif",), "sip:1@b", "sip:c@d", settings=CallSettings(switch=Switch.FIRST))),
        Poll(9, PollJob(("a.tif",), "sip:1@b", poll=PollOptions(selective_address="7", password="1"))),
        Receive(9, ReceiveJob(3, "a.tif", offer=PollOffer("b.tif", PollDocument(password="1")))),
        JobHappened(7, Connected(DialogId("a@b", "c", "d"))),
        JobHappened(7, Finished(RESULT)),
    ],
)
def test_a_message_survives_the_pipe(message: Message) -> None:
    assert CODEC.decoder().feed(CODEC.encode(message)) == [message]


@examples(push=66, full=200)
@given(MESSAGES)
def test_every_message_survives_the_pipe(message: Message) -> None:
    assert repr(CODEC.decode(CODEC.encode(message)[LENGTH_OCTETS:])) == repr(
        message
    )  # NaN is not equal to itself


@settings(max_examples=50)
@given(st.lists(MESSAGES, max_size=4), st.integers(1, 50))
def test_the_stream_may_be_cut_anywhere(messages: list[Message], size: int) -> None:
    stream = b"".join(map(CODEC.encode, messages))
    decoder = CODEC.decoder()
    found = [
        message for at in range(0, len(stream), size) for message in decoder.feed(stream[at : at + size])
    ]
    assert repr(found) == repr(messages)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("JobHappened"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@examples(push=66, full=200)
@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_what_is_no_message_raises_one_error(body: bytes) -> None:
    with pytest.raises(WireError):
        CODEC.decode(body)


@examples(push=66, full=200)
@given(MESSAGES, st.data())
def test_a_changed_message_is_read_or_refused(message: Message, data: st.DataObject) -> None:
    body = bytearray(CODEC.encode(message)[LENGTH_OCTETS:])
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = CODEC.decode(bytes(body))
    except WireError:
        return
    assert CODEC.encode(found)


@pytest.mark.parametrize(
    "body",
    [
        b'["os.system","true"]',
        b'["Abort"]',
        b'["Abort",1,2]',
        b'["Abort","1"]',
        b'["Abort",true]',
        b'["Proceed",1,1]',
        b'["JobHappened",1,["Finished",["FaxResult","RICH","",false]]]',
        b'["JobHappened",1,["FaxResult"]]',
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_only_known_classes_with_fields_of_their_types_are_made(body: bytes) -> None:
    with pytest.raises(WireError):
        CODEC.decode(body)


def test_a_frame_that_is_too_long_is_refused_before_it_arrives() -> None:
    with pytest.raises(WireError, match="longer"):
        CODEC.decoder().feed((MAX_FRAME + 1).to_bytes(LENGTH_OCTETS, "big"))


def test_an_error_does_not_tell_the_password() -> None:
    """As when the two processes are of different versions: errors are logged."""
    frame = CODEC.encode(Send(1, SendJob(("d",), "sip:a@b", credentials=Credentials("user", "secret"))))
    body = frame[LENGTH_OCTETS:].replace(b'"secret"]', b'"secret","more"]')
    with pytest.raises(WireError, match="a list of 4 that begins like a Credentials") as caught:
        CODEC.decode(body)
    assert "secret" not in str(caught.value)
