"""The signalling process: ``python -m sip.remote.signalling SOCKET --listen HOST:PORT --answerer NAME``.

It owns one SIP address and its registrations; engines connect to the Unix socket SOCKET and have the calls.
Once it serves, it prints its first SIP address (host and port) as one line. SIGTERM ends every call and then
the process.
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

from sip.ipc.codec import WireError
from sip.ipc.signals import ending_signals
from sip.line import LineEvent
from sip.remote.rules import Rule, least_busy
from sip.remote.server import LineServer
from sip.syntax.errors import SipError
from sip.transaction.layer import MAX_TRANSACTIONS
from sip.transport.agent_on_network import EVERYWHERE, SipLine
from sip.ua.admission import Admission, Network, parse_network
from sip.ua.registration_messages import RegistrationState
from sip.values import Credentials, Hop, TlsSettings, Transport

_RULE = "sip.remote.rules:least_busy"
_ANYBODY = "any"


@dataclass(frozen=True, slots=True)
class Signalling:
    """What a signalling process does.

    ``socket`` is the path of its Unix socket, ``answerers`` are the functions (``module:function``) that
    engines may have answer offers. Who may call is told by ``networks``, ``accounts``, ``anybody`` and
    ``silent`` (``sip.ua.admission``), beside the trunks of the engines; the limits are those of
    ``sip.agent.UserAgent``.
    """

    socket: str
    answerers: Sequence[str]
    listen: Sequence[Hop] = EVERYWHERE
    tls: TlsSettings | None = None
    advertised: Sequence[str] = ()
    user_agent: str = "sip"
    networks: Sequence[Network] = ()
    accounts: Sequence[Credentials] = ()
    anybody: bool = False
    silent: bool = True
    max_incoming: int = 1000
    max_waiting: int = 64
    max_per_source: int | None = None
    max_transactions: int = MAX_TRANSACTIONS
    rule: Rule = least_busy

    def admission(self, random: Random) -> Admission:
        """The policy that the line asks."""
        return Admission(
            random,
            networks=self.networks,
            accounts=self.accounts,
            realm=self.user_agent,
            open=self.anybody,
            silent=self.silent,
        )


def server_for(settings: Signalling) -> LineServer:
    """What serves the line of these settings. Raises WireError for an answerer that there is not."""
    random = SystemRandom()
    admission = settings.admission(random)

    def make_line(
        on_event: Callable[[LineEvent], None], on_registration: Callable[[RegistrationState], None]
    ) -> SipLine:
        return SipLine(
            on_event,
            user_agent=settings.user_agent,
            listen=settings.listen,
            tls=settings.tls,
            advertised=settings.advertised,
            random=random,
            max_incoming=settings.max_incoming,
            max_waiting=settings.max_waiting,
            max_per_source=settings.max_per_source,
            max_transactions=settings.max_transactions,
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
    """Serve until a signal ends it (``sip.ipc.signals``); ``on_ready`` is told the SIP addresses.

    Raises SipError when an address or the socket cannot be had, WireError for an answerer that there is not.
    """
    server = server_for(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as undo:
        for number in ending_signals():
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
        asyncio.run(serve(settings, lambda addresses: print(*addresses[0].address, flush=True)))
    except (SipError, WireError) as error:
        sys.exit(str(error))


def read_arguments(arguments: Sequence[str]) -> Signalling:
    """What the command line asks for; exits with a sentence when that cannot be."""
    options = _parser().parse_args(arguments)
    host, port = options.listen
    return Signalling(
        options.socket,
        options.answerer,
        listen=[Hop(host, port, transport) for transport in (Transport.UDP, Transport.TCP)],
        advertised=options.advertise,
        user_agent=options.user_agent,
        networks=[network for network in options.allow if network is not None],
        accounts=options.account,
        anybody=None in options.allow,
        silent=not options.forbid,
        max_incoming=options.max_incoming,
        max_waiting=options.max_waiting,
        max_per_source=options.max_per_source,
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
        "--advertise", action="append", default=[], metavar="ADDRESS", help="what far ends see in its place"
    )
    parser.add_argument(
        "--answerer",
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="function that engines may have answer offers; may be given several times",
    )
    parser.add_argument("--rule", default=_RULE, type=_rule, metavar="MODULE:FUNCTION")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="NETWORK",
        type=_network,
        help="from where calls are taken, beside this machine and the trunks of the engines; any for all",
    )
    parser.add_argument(
        "--account",
        action="append",
        default=[],
        metavar="USER:FILE",
        type=_account,
        help="who may call from anywhere with the password in FILE",
    )
    parser.add_argument("--forbid", action="store_true", help="answer 403 to all others, instead of nothing")
    parser.add_argument("--user-agent", default="sip")
    parser.add_argument("--max-incoming", default=1000, type=int, help="incoming calls at a time")
    parser.add_argument("--max-waiting", default=64, type=int, help="of these not yet answered")
    parser.add_argument("--max-per-source", type=int, help="of these from one address")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _network(text: str) -> Network | None:
    """None stands for all of them."""
    try:
        return None if text == _ANYBODY else parse_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _account(text: str) -> Credentials:
    user, _, file = text.partition(":")
    try:
        password = Path(file).read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"no password can be read from {file!r}: {error}") from None
    if not user or not password:
        raise argparse.ArgumentTypeError(f"{text!r} is not USER:FILE with a password in the file")
    return Credentials(user, password)


def _rule(name: str) -> Rule:
    module, _, attribute = name.partition(":")
    try:
        return cast(Rule, getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{name!r} names no rule: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
