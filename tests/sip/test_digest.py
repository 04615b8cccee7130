"""Digest: the published vectors, both halves against each other, and random headers."""

import hashlib
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.syntax.digest import Challenge, authorization, cannot_answer, choose, make_challenge, verify
from sip.syntax.errors import ParseError, UnsendableError

needs_sha_512_256 = pytest.mark.skipif(
    "sha512_256" not in hashlib.algorithms_available, reason="this build of OpenSSL has no SHA-512/256"
)

BODY = (
    b"v=0\r\no=bob 2890844526 2890844526 IN IP4 media.biloxi.com\r\ns=-\r\nc=IN IP4 media.biloxi.com\r\n"
    b"t=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 31\r\n"
    b"a=rtpmap:31 H261/90000\r\nm=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n"
)


@pytest.mark.parametrize(
    ("params", "response"),
    [
        ("", "bf57e4e0d0bffc0fbaedce64d59add5e"),
        (', qop="auth,auth-int"', "89eb0059246c02b2f6ee02c7961d5ea3"),
        (', qop="auth,auth-int", algorithm=MD5', "89eb0059246c02b2f6ee02c7961d5ea3"),
        (', qop="auth", algorithm=MD5-sess', "e4e4ea61d186d07a92c9e1f6919902e9"),
        (', qop="auth-int", algorithm=MD5', "bdbeebb2da6adb6bca02599c2239e192"),
        (', qop="auth-int", algorithm=MD5-sess', "91984da2d8663716e91554859c22ca70"),
    ],
)
def test_vectors_of_the_sip_authentication_examples(params: str, response: str) -> None:
    """draft-smith-sipping-auth-examples-01, sections 3.1 to 3.6."""
    challenge = Challenge.parse(
        'Digest realm="biloxi.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
        f' opaque="5ccc069c403ebaf9f0171e9517f40e41"{params}'
    )
    value = authorization(
        challenge,
        username="bob",
        password="zanzibar",
        method="INVITE",
        uri="sip:bob@biloxi.com",
        body=BODY,
        cnonce="0a4f113b",
    )
    assert f'response="{response}"' in value
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in value


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_vectors_of_rfc_7616_3_9_1(algorithm: str, response: str) -> None:
    challenge = Challenge.parse(
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm},'
        ' nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",'
        ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    value = authorization(
        challenge,
        username="Mufasa",
        password="Circle of Life",
        method="GET",
        uri="/dir/index.html",
        cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert value == (
        'Digest username="Mufasa", realm="http-auth@example.org",'
        ' nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html",'
        f' response="{response}", algorithm={algorithm},'
        ' cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",'
        ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", qop=auth, nc=00000001'
    )


def test_vector_of_rfc_2617_3_5() -> None:
    challenge = Challenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", qop=("auth",))
    value = authorization(
        challenge,
        username="Mufasa",
        password="Circle Of Life",
        method="GET",
        uri="/dir/index.html",
        cnonce="0a4f113b",
    )
    assert 'response="6629fae49393a05397450978507c4ef1"' in value
    assert "algorithm" not in value


def test_a_server_of_rfc_2069_gets_neither_cnonce_nor_count() -> None:
    value = authorization(
        Challenge("r", "n"), username="u", password="p", method="REGISTER", uri="sip:r", cnonce="c"
    )
    assert "cnonce" not in value
    assert "nc=" not in value
    assert "qop" not in value


def answer(challenge: Challenge, body: bytes = b"offer", nonce_count: int = 2) -> str:
    return authorization(
        challenge,
        username="fäx",
        password="s3cret",
        method="INVITE",
        uri="sip:1@trunk.example",
        body=body,
        nonce_count=nonce_count,
        cnonce="cn",
    )


def passes(
    value: str,
    challenge: Challenge,
    *,
    username: str = "fäx",
    password: str = "s3cret",
    method: str = "INVITE",
    uri: str = "sip:1@trunk.example",
    body: bytes = b"offer",
    last_nonce_count: int = 1,
) -> bool:
    return verify(
        value,
        challenge,
        username=username,
        password=password,
        method=method,
        uri=uri,
        body=body,
        last_nonce_count=last_nonce_count,
    )


@pytest.mark.parametrize(
    "algorithm",
    [
        None,
        "MD5",
        "md5",
        "MD5-sess",
        "SHA-256",
        "SHA-256-sess",
        pytest.param("SHA-512-256", marks=needs_sha_512_256),
    ],
)
@pytest.mark.parametrize("qop", [(), ("auth",), ("auth-int",)])
def test_the_server_half_accepts_what_the_client_half_says_and_nothing_else(
    algorithm: str | None, qop: tuple[str, ...]
) -> None:
    challenge = Challenge("trunk.example", "nonce-1", algorithm, qop, opaque='o"paque')
    value = answer(challenge)

    assert passes(value, challenge)
    assert not passes(value, challenge, username="other")
    assert not passes(value, challenge, password="other")
    assert not passes(value, challenge, method="BYE")
    assert not passes(value, challenge, uri="sip:2@trunk.example")
    assert not passes(value, replace(challenge, nonce="nonce-2"))
    assert not passes(value, replace(challenge, realm="other"))
    assert not passes(value, replace(challenge, opaque=None))
    assert passes(value, challenge, last_nonce_count=2) == (not qop)
    assert passes(value, challenge, body=b"changed") == (qop != ("auth-int",))


def test_an_answer_without_qop_does_not_get_past_a_server_that_asked_for_one() -> None:
    challenge = make_challenge("r", "n", "MD5")
    assert not passes(answer(replace(challenge, qop=())), challenge)


def test_the_challenge_of_a_server() -> None:
    text = str(make_challenge("trunk.example", "abc", "SHA-256", stale=True))
    assert text == 'Digest realm="trunk.example", nonce="abc", algorithm=SHA-256, qop="auth", stale=true'
    assert Challenge.parse(text) == Challenge("trunk.example", "abc", "SHA-256", ("auth",), None, True)


@needs_sha_512_256
def test_vector_of_rfc_7616_3_9_2() -> None:
    """As its erratum 4897 has it: the RFC's own was made with another hash."""
    challenge = Challenge.parse(
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256,'
        ' nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",'
        ' opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true'
    )
    value = authorization(
        challenge,
        username="J\u00e4s\u00f8n Doe",
        password="Secret, or not?",
        method="GET",
        uri="/doe.json",
        cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    assert 'response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"' in value
    assert "algorithm=SHA-512-256" in value


@pytest.mark.parametrize(
    ("challenges", "said"),
    [
        ([Challenge("r", "n", "SHA-3"), Challenge("r", "n", "SHA-3")], "the digest algorithm SHA-3, which"),
        (
            [Challenge("r", "n", "AKAv1-MD5"), Challenge("r", "n", "MD5", ("x",))],
            "algorithm AKAv1-MD5, which",
        ),
        ([Challenge("r", "n", None, ("auth-conf",))], "the digest qop auth-conf, which"),
    ],
)
def test_a_challenge_that_cannot_be_answered_is_reported(challenges: list[Challenge], said: str) -> None:
    told = cannot_answer(challenges)
    assert told is not None
    assert said in told
    assert "MD5, SHA-256" in told


def test_a_challenge_that_can_be_answered_is_not() -> None:
    assert cannot_answer([]) is None
    assert cannot_answer([Challenge("r", "n", "SHA-3"), Challenge("r", "n")]) is None


def test_loose_spellings_are_read() -> None:
    challenge = Challenge.parse(
        'DIGEST\trealm = "a, \\"b\\"",nonce=xyz , STALE="TRUE",algorithm="md5",qop=auth,,x'
    )
    assert challenge == Challenge('a, "b"', "xyz", "md5", ("auth",), None, True)


def test_the_strongest_challenge_that_we_know_is_chosen() -> None:
    """RFC 8760 2.4: the topmost, unless a policy of our own says otherwise; of equals it is the topmost."""
    unknown = Challenge("r", "n", "SHA-3", ("auth",))
    sha = Challenge("r", "n", "SHA-256", ("auth",))
    md5 = Challenge("r", "n", "MD5", ("auth",))
    other = Challenge("r", "n", "MD5-sess", ("auth-int",))
    old = Challenge("r", "n", "MD5")
    odd = Challenge("r", "n", "MD5", ("auth-conf",))
    assert choose([unknown, odd, sha, md5]) is sha
    assert choose([old, md5, sha]) is sha
    assert choose([old, md5, other]) is md5
    assert choose([old, other, md5]) is other
    assert choose([unknown, odd]) is None
    with pytest.raises(UnsendableError, match="SHA-3"):
        authorization(unknown, username="u", password="p", method="BYE", uri="sip:h", cnonce="c")


def test_a_list_of_challenges_is_read_as_in_http() -> None:
    """RFC 7235 4.1; RFC 3261 20.44 wants a field for each, which not everybody heeds."""
    md5 = Challenge("a, Digest b", "n1", "MD5", ("auth", "auth-int"), "o", True)
    sha = Challenge("a, Digest b", "n2", "SHA-256", ("auth",))
    mixed = f'Basic realm="a", {md5}, Negotiate, Bearer realm="a",scope="x", {sha}, Digest realm="no nonce"'
    assert Challenge.parse_all(mixed) == [md5, sha]
    loose = "digest realm = a ,, nonce  =  n ,qop=auth,auth-int,stale , DIGEST\tnonce=m, realm=b"
    assert Challenge.parse_all(loose) == [
        Challenge("a", "n", qop=("auth",)),
        Challenge("b", "m"),
    ]


@pytest.mark.parametrize(
    "value", ["", "Digest", ",", "realm=a, nonce=b", "Digest realm=a, nonce=" + "b" * 4096]
)
def test_what_is_no_list_of_challenges_holds_none(value: str) -> None:
    assert Challenge.parse_all(value) == []


def test_of_an_endless_list_a_beginning_is_read() -> None:
    many = ", ".join(f"Digest realm=a, nonce={number}" for number in range(100))
    assert [each.nonce for each in Challenge.parse_all(many)] == [str(number) for number in range(16)]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ('Basic realm="x"', "not Digest"),
        ("", "not Digest"),
        ('Digest realm="x"', "no nonce"),
        ('Digest nonce="x"', "no realm"),
        ('Digest realm="x, nonce=y', "never closed"),
        ('Digest realm="' + "x" * 5000 + '"', "at most 4096"),
    ],
)
def test_bad_challenges_are_refused(value: str, complaint: str) -> None:
    with pytest.raises(ParseError, match=complaint):
        Challenge.parse(value)


@given(
    st.text(alphabet='Digestrealmnoncequop=", \\;<x1', max_size=60).map("Digest ".__add__)
    | st.text(max_size=40)
)
def test_random_headers_are_challenges_or_parse_errors_and_never_pass(value: str) -> None:
    alone: list[Challenge] = []
    with suppress(ParseError):
        alone.append(Challenge.parse(value))
    assert len(Challenge.parse_all(value)) <= 16
    for each in alone:
        assert Challenge.parse_all(f"{each}, {each}") == [each, each]
    challenge = make_challenge("r", "n")
    assert not verify(value, challenge, username="u", password="p", method="INVITE", uri="sip:h")
