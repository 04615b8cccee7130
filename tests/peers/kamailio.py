"""Kamailio as registrar with digest and as record-routing proxy, on the loopback interface."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from tests.peers.programs import HOST, Daemon, Program, find, free_port

_ANSWER_SECONDS = 20.0

_CONFIG = """\
#!KAMAILIO
debug=2
log_stderror=yes
children=1
tcp_children=1
auto_aliases=no
{listen}

loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("usrloc", "db_mode", 0)
modparam("usrloc", "timer_interval", 1)
modparam("registrar", "min_expires", 1)
modparam("auth", "nonce_expire", {nonce_seconds})
{modules}

request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route() || is_method("ACK")) t_relay();
        else sl_send_reply("404", "Not Here");
        exit;
    }}
    t_check_trans();
    $var(password) = "";
{passwords}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("$td", "$var(password)", "0")) {{
            www_challenge("$td", "1");
            exit;
        }}
        if ($hdr(Expires) != "0" && $(hdr(Expires){{s.int}}) < {least_expiry}) {{
            append_to_reply("Min-Expires: {least_expiry}\\r\\n");
            sl_send_reply("423", "Interval Too Brief");
            exit;
        }}
        xlog("L_NOTICE", "REGISTER from $fU for $hdr(Expires) s by $proto:$si:$sp\\n");
        if (!save("location")) sl_reply_error();
        exit;
    }}
{before_calls}
    if (is_method("INVITE")) record_route();
{targets}
    if (!lookup("location")) {{
        sl_send_reply("404", "Not Found");
        exit;
    }}
    t_relay();
}}
"""


class Kamailio(Daemon):
    """A running Kamailio; a context manager.

    ``users`` are names and passwords that may register, and must authenticate their calls when
    ``challenge_calls``. ``targets`` sends calls for a user part to a URI instead of to who registered.
    ``least_expiry`` is what it answers 423 below. It listens by UDP and TCP on one port. ``folder`` keeps its
    configuration and its log.
    """

    def __init__(
        self,
        folder: Path,
        *,
        users: Mapping[str, str] | None = None,
        targets: Mapping[str, str] | None = None,
        challenge_calls: bool = False,
        least_expiry: int = 1,
        nonce_seconds: int = 300,
        host: str = HOST,
        listen: tuple[str, ...] = ("udp", "tcp"),
        modules: str = "",
    ) -> None:
        self.host = host
        self.port = 0
        super().__init__(folder / "kamailio.log")
        self._folder = folder
        self._listen = listen
        self._parts = {
            "modules": modules,
            "nonce_seconds": str(nonce_seconds),
            "least_expiry": str(least_expiry),
            "passwords": "\n".join(
                f'    if ($au == "{name}") $var(password) = "{password}";'
                for name, password in (users or {}).items()
            ),
            "before_calls": _CHALLENGE if challenge_calls else "",
            "targets": "\n".join(
                f'    if ($rU == "{user}") {{ $du = "{uri}"; t_relay(); exit; }}'
                for user, uri in (targets or {}).items()
            ),
        }

    @property
    def place(self) -> str:
        """``host:port``"""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def registered(self, user: str) -> bool:
        """Whether anybody is registered as ``user`` (and answers OPTIONS)."""
        return self._ask(f"sip:{user}@{self.place}") == 200

    def _start(self) -> Program:
        self.port = free_port(socket.SOCK_DGRAM, socket.SOCK_STREAM, host=self.host)
        listen = "\n".join(f"listen={transport}:{self.place}" for transport in self._listen)
        config = self._folder / "kamailio.cfg"
        config.write_text(_CONFIG.format(listen=listen, **self._parts))
        command = [find("kamailio", "kamailio"), "-f", str(config), "-DD", "-E", "-m", "32", "-M", "4"]
        command += ["-w", str(self._folder), "-Y", str(self._folder)]
        return Program(command, self._folder, self.log)

    def _is_ready(self, program: Program) -> bool:
        return program.listens(self.port) and self._ask(f"sip:nobody@{self.place}", seconds=0.1) == 404

    def _ask(self, uri: str, seconds: float = _ANSWER_SECONDS) -> int | None:
        """The final status of an OPTIONS; None without one."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((self.host, 0))
            sock.settimeout(seconds)
            host, port = f"[{self.host}]" if ":" in self.host else self.host, sock.getsockname()[1]
            request = (
                f"OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{port};rport\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:test@{host}>;tag=t\r\nTo: <{uri}>\r\n"
                f"Call-ID: {port}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            )
            try:
                sock.sendto(request.encode(), (self.host, self.port))
                while True:
                    status = int(sock.recv(65536).split()[1])
                    if status >= 200:
                        return status
            except OSError:
                return None


_CHALLENGE = """
    if (is_method("INVITE")) {
        if (!pv_proxy_authenticate("$fd", "$var(password)", "0")) {
            proxy_challenge("$fd", "1");
            exit;
        }
        consume_credentials();
    }
"""
