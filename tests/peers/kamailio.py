"""Kamailio as registrar with digest and as record-routing proxy, on the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

START_LIMIT = 60.0
"""Seconds until it must answer."""
_TRIES = 3
"""Somebody else may take the port that was found free."""

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


class Kamailio:
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
        host: str = "127.0.0.1",
        listen: tuple[str, ...] = ("udp", "tcp"),
        modules: str = "",
    ) -> None:
        self.host = host
        self.port = 0
        self.log = folder / "kamailio.log"
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
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> str:
        """``host:port``"""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __enter__(self) -> Self:
        program = shutil.which("kamailio") or shutil.which("kamailio", path="/usr/sbin")
        assert program is not None, "kamailio is missing; .ci/peers installs it"
        for _ in range(_TRIES):
            self._start(program)
            if self._answers():
                return self
            self._stop()
        raise AssertionError(f"kamailio does not start:\n{self.log.read_text()}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def registered(self, user: str) -> bool:
        """Whether anybody is registered as ``user`` (and answers OPTIONS)."""
        return self._ask(f"sip:{user}@{self.place}") == 200

    def _start(self, program: str) -> None:
        self.port = _free_port(self.host)
        listen = "\n".join(f"listen={transport}:{self.place}" for transport in self._listen)
        config = self._folder / "kamailio.cfg"
        config.write_text(_CONFIG.format(listen=listen, **self._parts))
        with self.log.open("wb") as log:
            options = ["-DD", "-E", "-m", "32", "-M", "4", "-w", self._folder, "-Y", self._folder]
            self._process = subprocess.Popen(
                [program, "-f", config, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            # Its children, should they have outlived it.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process = None

    def _answers(self) -> bool:
        """Ask until it answers; False when it has ended."""
        for _ in range(int(START_LIMIT * 10)):
            if self._process is None or self._process.poll() is not None:
                return False
            # Before it listens, asking may fail at once instead of after the timeout.
            if self._ask(f"sip:nobody@{self.place}", seconds=0.1) == 404:
                return True
        return False

    def _ask(self, uri: str, seconds: float = 5.0) -> int | None:
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


def _free_port(host: str) -> int:
    """One that is free by UDP and TCP alike."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        with socket.socket(family, socket.SOCK_DGRAM) as udp, socket.socket(family) as tcp:
            udp.bind((host, 0))
            port = int(udp.getsockname()[1])
            try:
                tcp.bind((host, port))
            except OSError:
                continue
            return port
