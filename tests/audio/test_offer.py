from __future__ import annotations

import pytest

from sip.syntax.sdp import MediaDescription, SessionDescription
from t38fsp.audio.g711 import Law
from t38fsp.audio.offer import audio_media, choose


def offered(lines: str) -> MediaDescription:
    text = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{lines}\r\n"
    return SessionDescription.parse(text).media[0]


def test_what_we_offer() -> None:
    assert audio_media(4000) == offered(
        "m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\n"
        "a=silenceSupp:off - - - -"
    )


def test_what_we_answer() -> None:
    chosen = choose(offered("m=audio 9 RTP/AVP 18 8 0 101\r\na=rtpmap:101 telephone-event/8000"))
    assert chosen == (8, Law.PCMA)
    answer = audio_media(4000, (chosen[0],))
    assert answer.formats == ("8",)
    assert answer.get("rtpmap") == "8 PCMA/8000"
    assert choose(answer) == chosen


@pytest.mark.parametrize(
    ("line", "chosen"),
    [
        ("m=audio 9 RTP/AVP 0 8", (0, Law.PCMU)),
        ("m=audio 9 RTP/AVP 8", (8, Law.PCMA)),
        ("m=AUDIO 9 rtp/avp 0", (0, Law.PCMU)),
        ("m=audio 9 RTP/AVP 18 101", None),
        ("m=audio 9 RTP/SAVP 0 8", None),
        ("m=video 9 RTP/AVP 0", None),
        ("m=image 9 udptl t38", None),
    ],
)
def test_choose(line: str, chosen: tuple[int, Law] | None) -> None:
    assert choose(offered(line)) == chosen
