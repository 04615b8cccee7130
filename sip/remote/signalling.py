"""The signalling process: ``python -m sip.remote.signalling SOCKET --listen HOST:PORT --answerer NAME``.

It owns one SIP address and its registrations; engines connect to the Unix socket SOCKET and process the
calls. Once it listens, it prints its first SIP address (host and port) as one line. SIGTERM ends every call
and then the process.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom
from typing import cast

from sip.bounds import settings_of
from sip.ipc.codec import WireError
from sip.ipc.system import ending_signals
from sip.line import LineEvent
from sip.line_settings import Callers, Limits, TlsSettings
from sip.remote.rules import Rule, least_busy
from sip.remote.server import LineServer
from sip.syntax.errors import SipError
from sip.transport.agent_on_network import EVERYWHERE, AgentLine
from sip.ua.admission import Admission
from sip.ua.registration_messages import RegistrationState
from sip.values import Credentials, Hop, Transport

_RULE = "sip.remote.rules:least_busy"


@dataclass(frozen=True, slots=True)
class Signalling:
    """Settings of a signalling process.

    ``socket`` is the path of its Unix socket, ``answerers`` are the functions (``module:function``) that
    engines may use to answer offers. ``callers`` may call, besides the trunks of the engines.
    """

    socket: str
    answerers: Sequence[str]
    listen: Sequence[Hop] = EVERYWHERE
    tls: TlsSettings | None = None
    advertised: Sequence[str] = ()
    user_agent: str = "sip"
    callers: Callers = Callers()
    limits: Limits = Limits()
    rule: Rule = least_busy

    def admission(self, random: Random) -> Admission:
        """The admission policy of the line."""
        return Admission(random, self.callers, realm=self.user_agent)


def server_for(settings: Signalling) -> LineServer:
    """The server of the line. Raises WireError for an unknown answerer."""
    random = SystemRandom()
    # One for the line and for the engines, which report the addresses of their trunks to it.
    admission = settings.admission(random)

    def make_line(
        on_event: Callable[[LineEvent], None], on_registration: Callable[[RegistrationState], None]
    ) -> AgentLine:
        return AgentLine(
            on_event,
            user_agent=settings.user_agent,
            listen=settings.listen,
            tls=settings.tls,
            advertised=settings.advertised,
            random=random,
            limits=settings.limits,
            on_registration=on_registration,
            admission=admission,
        )

    def admit(addresses: frozenset[str]) -> None:
        admission.peers = addresses

    return LineServer(
        settings.socket,
        make_line,
        answerers=settings.answerers,
        advertised=settings.advertised,
        rule=settings.rule,
        admit=admit,
    )


async def serve(settings: Signalling, on_ready: Callable[[Sequence[Hop]], None]) -> None:
    """Serve until a signal ends it (``sip.ipc.system``); ``on_ready`` gets the SIP addresses.

    Raises SipError when an address or the socket is not available, WireError for an unknown answerer.
    """
    server = server_for(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as undo:
        for number in ending_signals():
            # Before the handler is set, so that it is removed whatever happens in between.
            undo.callback(loop.remove_signal_handler, number)
            loop.add_signal_handler(number, stop.set)
        addresses = await server.start()
        undo.push_async_callback(server.close)
        on_ready(addresses)
        await stop.wait()


def main(arguments: Sequence[str]) -> None:
    settings = read_arguments(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        # Flushed: the program that started this process waits for the line.
        asyncio.run(serve(settings, lambda addresses: print(*addresses[0].address, flush=True)))
    except (SipError, WireError) as error:
        sys.exit(str(error))


def read_arguments(arguments: Sequence[str]) -> Signalling:
    """Parse the command line; exits with a message if it is invalid."""
    parser = _parser()
    options = parser.parse_args(arguments)
    host, port = options.listen
    try:
        limits = Limits(**{name: getattr(options, name) for name in settings_of(Limits)})
    except ValueError as error:
        parser.error(str(error))
    return Signalling(
        options.socket,
        options.answerer,
        listen=[Hop(host, port, transport) for transport in (Transport.UDP, Transport.TCP)],
        advertised=options.advertise,
        user_agent=options.user_agent,
        callers=Callers(tuple(options.allow), tuple(options.account), silent=not options.forbid),
        limits=limits,
        rule=options.rule,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sip.remote.signalling", description="Own a SIP address for several engines."
    )
    parser.add_argument("socket", help="Unix socket that engines connect to")
    parser.add_argument(
        "--listen", default=("0.0.0.0", 5060), metavar="HOST:PORT", type=_address, help="for UDP and TCP"
    )
    parser.add_argument(
        "--advertise",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="address that far ends see in its place",
    )
    parser.add_argument(
        "--answerer",
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="function that engines may use to answer offers; may be given several times",
    )
    parser.add_argument("--rule", default=_RULE, type=_rule, metavar="MODULE:FUNCTION")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="NETWORK",
        type=_network,
        help="accept calls from there, besides this machine and the trunks of the engines; any for all",
    )
    parser.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="USER:FILE",
        type=_account,
        help="user who may call from anywhere with the password in FILE",
    )
    parser.add_argument(
        "--forbid", action="store_true", help="respond 403 to all others, instead of ignoring them"
    )
    parser.add_argument("--user-agent", default="sip")
    for name, (field, bounds) in settings_of(Limits).items():
        option = f"--{bounds.key.replace('_', '-')}"
        parser.add_argument(option, dest=name, default=field.default, type=int, help=str(bounds))
    return parser


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _network(text: str) -> str:
    try:
        Callers((text,))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("allow: ")) from None
    return text


def _account(text: str) -> Credentials:
    user, _, file = text.partition(":")
    try:
        # In a file, because every user of the machine can read command lines.
        password = Path(file).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"cannot read a password from {file!r}: {error}") from None
    if not user or not password:
        raise argparse.ArgumentTypeError(f"{text!r} is not USER:FILE with a password in the file")
    return Credentials(user, password)


def _rule(name: str) -> Rule:
    module, _, attribute = name.partition(":")
    try:
        return cast(Rule, getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{name!r} is not the name of a rule: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
