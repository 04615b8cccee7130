"""Line faults as they are written on the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from t38fsp.cli.exits import CommandError, Exit
from t38fsp.virtual.network import Faults, GilbertElliott

# The digits are bounded: float() makes an infinity of a long enough number, and no clock can wait for
# that.
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)%|(0?\.\d{1,6}|[01])")
_SECONDS = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)(ms|s)?")
_DRIFT = re.compile(r"([+-]?\d{1,6}(?:\.\d{1,3})?)(?:ppm)?")
_RATE = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([kM])?")
_BURST_LENGTH = 8.0
"""Datagrams, when nothing else is said."""


def faults(texts: Mapping[str, str | None]) -> Faults:
    """The faults of the options ``texts``, by name without ``--``; None where one is not given.

    Raises CommandError.
    """
    given = {name: text for name, text in texts.items() if text is not None}
    bursts = dead = None
    if "burst-loss" in given:
        bursts = _bursts(given["burst-loss"])
    if "dead" in given:
        first, dash, last = given["dead"].partition("-")
        if not dash:
            raise _error("dead", given["dead"], "from when to when, such as 10s-12s")
        dead = _seconds("dead", first), _seconds("dead", last)
    # SHARE[:SECONDS]; the datagrams of that share arrive so much later, and are overtaken meanwhile.
    reordering, _, held_back = given.get("reordering", "0").partition(":")
    try:
        return Faults(
            delay=_seconds("delay", given.get("delay", "0")),
            jitter=_seconds("jitter", given.get("jitter", "0")),
            loss=_share("loss", given.get("loss", "0")),
            bursts=bursts,
            duplication=_share("duplication", given.get("duplication", "0")),
            reordering=_share("reordering", reordering),
            held_back=_seconds("reordering", held_back or "0.1"),
            drift=_drift(given.get("drift", "0")),
            dead=dead,
            rate=None if "bandwidth" not in given else _rate(given["bandwidth"]),
        )
    except ValueError as error:
        raise CommandError(f"the line faults are invalid: {error}", Exit.USAGE) from error


def _bursts(text: str) -> GilbertElliott:
    share, _, length = text.partition(":")
    loss = _share("burst-loss", share)
    try:
        return GilbertElliott.of(loss, float(length) if length else _BURST_LENGTH)
    except ValueError as error:
        raise _error("burst-loss", text, "a share below 100% and a length from 1 on, such as 5%:8") from error


def _share(option: str, text: str) -> float:
    match = _SHARE.fullmatch(text.strip())
    if match is None:
        raise _error(option, text, "a share, such as 5% or 0.05")
    share = float(match[1]) / 100 if match[1] else float(match[2])
    if share > 1:
        raise _error(option, text, "a share of at most 100%")
    return share


def _seconds(option: str, text: str) -> float:
    match = _SECONDS.fullmatch(text.strip())
    if match is None:
        raise _error(option, text, "a time, such as 30ms or 1.5s")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def _drift(text: str) -> float:
    match = _DRIFT.fullmatch(text.strip())
    if match is None:
        raise _error("drift", text, "parts per million, such as 100ppm or -50ppm")
    return float(match[1]) / 1_000_000


def _rate(text: str) -> float:
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise _error("bandwidth", text, "bit/s, such as 64k or 128000")
    return float(match[1]) * {None: 1, "k": 1_000, "M": 1_000_000}[match[2]]


def _error(option: str, text: str, wanted: str) -> CommandError:
    return CommandError(f"--{option} {text!r}: write {wanted}", Exit.USAGE)
