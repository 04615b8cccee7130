"""Scenarios for SIPp, made of ladders (``tests.sip.ladder``).

SIPp gets ``near``, the address of ours that its Contact is to name, and ``refresher``, its own role in
session timers, as keys; and the user part of To, in calls that it places, as the first field of its ``-inf``
file. For the test it waits for an INFO.
"""

from __future__ import annotations

from itertools import pairwise
from xml.sax.saxutils import quoteattr

from tests.sip.ladder import Cue, Ladder, Rung

AUDIO = "m=audio 40000 RTP/AVP 0\na=rtpmap:0 PCMU/8000"
IMAGE = """m=image 40000 udptl t38
a=T38FaxVersion:0
a=T38MaxBitRate:14400
a=T38FaxRateManagement:transferredTCF
a=T38FaxMaxDatagram:400
a=T38FaxUdpEC:t38UDPRedundancy"""
BODIES = {
    "audio": (1, AUDIO),
    "early_moved": (2, AUDIO.replace("40000", "40004")),
    "image": (2, IMAGE),
    "no_image": (2, "m=image 0 udptl t38"),
    "audio_only": (1, f"{AUDIO}\nm=image 0 udptl t38"),
    "no_audio_but_image": (2, f"m=audio 0 RTP/AVP 0\n{IMAGE}"),
    "audio_and_image": (1, f"{AUDIO}\n{IMAGE}"),
    "moved": (3, IMAGE.replace("40000", "40002")),
    "audio_again": (4, AUDIO),
}
"""Descriptions of SIPp's: version, and media."""

CHALLENGE = 'Digest realm="sipp", nonce="8dd7a7cb", algorithm=MD5, qop="auth"'

SAYS = {
    "reliable": ["Require: 100rel", "RSeq: 4711"],
    "requires_100rel": ["Require: 100rel"],
    "challenge": ['WWW-Authenticate: Digest realm="sipp", nonce="8dd7a7cb", algorithm=MD5, qop="auth"'],
    "proxy_challenge": [
        'Proxy-Authenticate: Digest realm="sipp", nonce="8dd7a7cb", algorithm=MD5, qop="auth"'
    ],
    "routed": ["Record-Route: <sip:[near];lr>"],
    "strict": ["Record-Route: <sip:[near]>"],
    "busy": ['Reason: Q.850;cause=17;text="User busy"'],
    "minimum": ["Min-SE: 300"],
    "shortly": ["Retry-After: 1"],
    "refreshed": ["Supported: timer", "Session-Expires: 300;refresher=[refresher]"],
    "brief_session": ["Supported: timer", "Session-Expires: 10;refresher=uac"],
    "left_to_us": ["Session-Expires: 10"],
    "allows_update": ["Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE"],
    "credentials": ["[authentication username=alice password=secret]"],
    "wrong_credentials": ["[authentication username=alice password=guessed]"],
    "brief": ["Min-Expires: 7200"],
    "other_contact": ["Contact: <sip:other@192.0.2.9>;expires=60"],
    "bound_briefly": ["Contact:[$contact_REGISTER];expires=3"],
    "bound": ["Contact:[$contact_REGISTER];expires=7200"],
    "elsewhere": ["Contact: <sip:elsewhere@[near]>"],
    "too_often": ["Supported: timer", "Session-Expires: 60"],
}
"""Header fields that SIPp adds to a message."""

CHECKS = {
    "audio": ("body", "", "m=audio [1-9]"),
    "image": ("body", "", "m=image [1-9]"),
    "audio_before_image": ("body", "", "m=audio [1-9].*m=image [1-9]"),
    "same_image": ("body", "", "o=- [0-9]+ 2 .*t=0 0..m=image [1-9]"),  # of the second version, and no audio
    "empty": ("hdr", "Content-Length:", "^ *0"),
    "asks_for_rport": ("hdr", "Via:", ";rport(;|$)"),
    "seen_from": ("hdr", "Via:", ";rport=[1-9].*;received=127"),
    "advertised": ("msg", "", "Via: SIP/2.0/UDP 192\\.0\\.2\\.7:.*Contact: <sip:[^>]*192\\.0\\.2\\.7:"),
    "advertised_contact": ("hdr", "Contact:", "192\\.0\\.2\\.7:"),
    "because": ("hdr", "Reason:", 'text="done"'),
    "routed": ("hdr", "Route:", "sip:.*;lr"),
    "strict": ("msg", "", "^(ACK|BYE) sip:[0-9.:]* SIP"),
    "recorded": ("hdr", "Record-Route:", "sip:.*;lr"),
    "reliable": ("hdr", "Require:", "100rel"),
    "expires": ("hdr", "Session-Expires:", "refresher"),
    "minimum": ("hdr", "Session-Expires:", "^ *300"),
    "least": ("hdr", "Min-SE:", "^ *90"),
    "asserted": ("hdr", "P-Asserted-Identity:", "15550123"),
    "anonymous": ("hdr", "From:", "anonymous.invalid"),
    "to_elsewhere": ("msg", "", "^(INVITE|BYE) sip:elsewhere@"),
    "proxy_authorized": ("hdr", "Proxy-Authorization:", 'username="alice", realm="sipp".* response="'),
    "account": ("hdr", "X-Account:", "^ *4711"),
    "longer": ("hdr", "Expires:", "7200"),
    "leaving": ("hdr", "Expires:", "^ *0"),
}
"""What SIPp looks for in a message of ours: where, in which header, and the expression it must match."""

PHRASES = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    302: "Moved Temporarily",
    403: "Forbidden",
    401: "Unauthorized",
    407: "Proxy Authentication Required",
    415: "Unsupported Media Type",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    503: "Service Unavailable",
    606: "Not Acceptable",
}

_OUTSIDE = frozenset({"CANCEL", "REGISTER"})
"""Requests whose To has no tag; so is the INVITE until it is answered with 2xx."""


def sipp_scenario(ladder: Ladder) -> str:
    """The far end of a ladder, as XML."""
    return _Scenario(ladder).xml()


class _Scenario:
    """Writes the scenario of a ladder. SIPp remembers in variables what it needs of our messages."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder
        self._parts: list[str] = []
        self._variables: set[str] = set()
        self._within = False
        self._inside: set[str] = set()
        self._sequence = 0
        self._invite_sequence = 0
        self._invite_branch = 0
        self._branches = 0
        self._transactions: dict[str, str] = {}
        self._refused = False

    def xml(self) -> str:
        following = dict(pairwise(self._ladder.rungs))
        for step in self._ladder.steps:
            if isinstance(step, Cue) and not step.ours:
                self._parts.append('<recv request="INFO"/>')
            if not isinstance(step, Rung) or not step.arrives:
                continue
            if step.ours:
                self._hear(step)
            elif step.status is None:
                self._ask(step)
            else:
                # SIPp holds back what comes next until whatever it repeats is acknowledged.
                moves_on = (step.status >= 300) and step in following and not following[step].repeated
                self._answer(step, repeats=step.method == "INVITE" and step.repeated and not moves_on)
            if step.method == "INVITE" and step.status == 200:
                self._within = True
        self._parts.append('<recv request="INFO"/>')
        variables = ",".join(sorted(self._variables))
        reference = f"<Reference variables={quoteattr(variables)}/>" if variables else ""
        return (
            f'<?xml version="1.0"?>\n<scenario name="ladder">{"".join(self._parts)}{reference}</scenario>\n'
        )

    # --- ours -----------------------------------------------------------------------------------------------

    def _hear(self, rung: Rung) -> None:
        actions = [self._check(word) for word in rung.words]
        if rung.status is None:
            if rung.method in _OUTSIDE or (rung.method == "INVITE" and not self._within):
                self._inside.discard(rung.method)
            else:
                self._inside.add(rung.method)
            for header in ("Via", "From", "To", "CSeq"):
                actions.append(self._keep(f"{header}:", f"{header.lower()}_{rung.method}"))
            if rung.method == "REGISTER":
                actions.append(self._keep("Contact:", "contact_REGISTER", "<[^&>]*>"))
            what = f'request="{rung.method}"'
        else:
            self._refused = rung.status >= 300
            if rung.status > 100:
                actions.append(self._keep("To:", "to"))
            if "reliable" in rung.words:
                actions.append(self._keep("RSeq:", "rseq", "[0-9]+"))
            what = f'response="{rung.status}"'
            if rung.method != "CANCEL":
                what += f' response_txn="{self._transactions[rung.method]}"'
            if rung.status == 401:
                what += ' auth="true"'
        if rung.method == "INVITE" and not self._refused and rung.status != 100:
            actions.append(self._keep("Contact:", "target", "sips?:[^>]*"))
        if not rung.repeated:
            what += ' optional="true"'
        self._parts.append(f"<recv {what}><action>{''.join(actions)}</action></recv>")
        if "authorized" in rung.words:
            self._parts.append(
                '<nop condexec="right" condexec_inverse="true">'
                '<action><exec int_cmd="stop_call"/></action></nop>'
            )

    def _keep(self, header: str, variable: str, expression: str = ".*") -> str:
        self._variables.add(variable)
        return (
            f'<ereg regexp={quoteattr(expression)} search_in="hdr" header={quoteattr(header)} '
            f"assign_to={quoteattr(variable)}/>"
        )

    def _check(self, word: str) -> str:
        if word == "authorized":
            self._variables.add("right")
            return '<verifyauth assign_to="right" username="alice" password="secret"/>'
        where, header, expression = CHECKS[word]
        self._variables.add("found")
        named = f" header={quoteattr(header)}" if header else ""
        return (
            f'<ereg regexp={quoteattr(expression)} search_in="{where}"{named} check_it="true" '
            'assign_to="found"/>'
        )

    # --- theirs ---------------------------------------------------------------------------------------------

    def _answer(self, rung: Rung, *, repeats: bool) -> None:
        method, status = rung.method, rung.status or 0
        tag = (
            ""
            if method in self._inside or status == 100
            else f";tag=[call_number]{'b' * ('forked' in rung.words)}"
        )
        lines = [
            f"SIP/2.0 {status} {PHRASES[status]}",
            f"Via:[$via_{method}]",
            f"From:[$from_{method}]",
            f"To:[$to_{method}]{tag}",
            "Call-ID: [call_id]",
            f"CSeq:[$cseq_{method}]",
        ]
        self._say(rung, lines, "", contact=method in ("INVITE", "UPDATE") and status < 300, repeats=repeats)

    def _ask(self, rung: Rung) -> None:
        method = rung.method
        if method == "ACK":
            sequence = self._invite_sequence
            if not self._refused:
                self._branches += 1
            branch = self._invite_branch if self._refused else self._branches
        elif method == "CANCEL":
            sequence, branch = self._invite_sequence, self._invite_branch
        else:
            self._sequence += 1
            self._branches += 1
            sequence, branch = self._sequence, self._branches
        if method == "INVITE":
            self._invite_sequence, self._invite_branch = sequence, branch
        # A late copy of the response to an earlier request must not be taken for one to this.
        if method == "ACK":
            transaction = f' ack_txn="{self._transactions["INVITE"]}"'
        elif method == "CANCEL":
            transaction = ""
        else:
            self._transactions[method] = f"{method.lower()}{branch}"
            transaction = f' start_txn="{self._transactions[method]}"'
        initial = method == "INVITE" and not self._within
        outside = initial or method == "CANCEL" or (method == "ACK" and self._refused and not self._within)
        us = "sip:fax@[remote_ip]:[remote_port]"
        if self._ladder.called:
            caller = " <sip:sipp@sipp.example>;tag=[call_number]"
            called = " <sip:[field0]@sipp.example>" if initial or method == "CANCEL" else "[$to]"
        else:
            caller, called = "[$to_INVITE];tag=[call_number]", "[$from_INVITE]"
        lines = [
            f"{method} {us if outside else '[$target]'} SIP/2.0",
            f"Via: SIP/2.0/UDP [local_ip]:[local_port];rport;branch=z9hG4bK-[pid]-[call_number]-{branch}",
            "Max-Forwards: 70",
            f"From:{caller}",
            f"To:{called}",
            "Call-ID: [call_id]",
            f"CSeq: {sequence} {method}",
        ]
        if method == "PRACK":
            lines.append(f"RAck: [$rseq] {self._invite_sequence} INVITE")
        self._say(
            rung, lines, contact=method in ("INVITE", "UPDATE"), repeats=method != "ACK", more=transaction
        )

    def _say(self, rung: Rung, lines: list[str], more: str, *, contact: bool, repeats: bool) -> None:
        body = ""
        if contact and "elsewhere" not in rung.words:
            # What goes by a route does not go to the Contact.
            routed = "routed" in rung.words or "strict" in rung.words
            lines.append(f"Contact: <sip:sipp@{'[local_ip]:[local_port]' if routed else '[near]'}>")
        for word in rung.words:
            if word in BODIES:
                lines.append("Content-Type: application/sdp")
                version, media = BODIES[word]
                body = (
                    f"v=0\no=sipp 1 {version} IN IP[local_ip_type] [local_ip]\ns=-\n"
                    f"c=IN IP[local_ip_type] [local_ip]\nt=0 0\n{media}\n"
                )
            elif word != "forked":
                lines += SAYS[word]
        lines.append("Content-Length: [len]")
        text = "\n".join([*lines, "", body])
        if repeats:
            more += ' retrans="1000"'
        self._parts.append(f"<send{more}><![CDATA[\n{text}\n]]></send>\n")
