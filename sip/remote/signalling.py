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
import signal
import sys
from collections.abc import Sequence
from random import SystemRandom
from typing import cast

from sip.admission import Admission, Network, parse_network
from sip.errors import SipError
from sip.line import Hop, Transport
from sip.network import SipLine
from sip.remote.codec import WireError
from sip.remote.rules import Rule
from sip.remote.server import LineServer

_RULE = "sip.remote.rules:least_busy"


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        asyncio.run(_serve(options))
    except (SipError, WireError) as error:
        sys.exit(str(error))


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
        help="from where calls are taken, beside this machine",
    )
    parser.add_argument("--user-agent", default="sip")
    parser.add_argument("--max-incoming", default=1000, type=int)
    return parser


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _network(text: str) -> Network:
    try:
        return parse_network(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _rule(name: str) -> Rule:
    module, _, attribute = name.partition(":")
    try:
        return cast(Rule, getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{name!r} names no rule: {error}") from None


async def _serve(options: argparse.Namespace) -> None:
    host, port = options.listen
    random = SystemRandom()
    server = LineServer(
        options.socket,
        lambda on_event, on_registration: SipLine(
            on_event,
            user_agent=options.user_agent,
            listen=[Hop(host, port, transport) for transport in (Transport.UDP, Transport.TCP)],
            advertised=options.advertise,
            random=random,
            max_incoming=options.max_incoming,
            on_registration=on_registration,
            admission=Admission(random, networks=options.allow),
        ),
        answerers=options.answerer,
        advertised=options.advertise,
        rule=options.rule,
    )
    addresses = await server.start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(*addresses[0].address, flush=True)
    await stop.wait()
    await server.close()


if __name__ == "__main__":
    main(sys.argv[1:])
