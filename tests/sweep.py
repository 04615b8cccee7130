"""Many cases in one test: a share of them at every push, all of them in the larger tiers.

``@sweep`` takes the place of ``parametrize`` where the cases of a test differ by a seed, a moment or a row of
a product, and a single one is worth no line of its own in a report::

    @sweep(push=12, ecm=[True, False], seed=range(50))
    def test_five_percent(tmp_path: Path, seed: int, ecm: bool) -> None: ...

The cases of a push are the same each time. Tests with the same cases take different shares of them, so that
together they take more. The case that fails is named, with what runs it alone (``--case``).
"""

from __future__ import annotations

import functools
import inspect
import time
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import combinations, product
from math import gcd
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
from hypothesis import settings

from sip import logs

TIERS = ("push", "full", "long")
BUDGET = 60.0
"""Seconds of processor time after which a test of the full tier leaves the rest of its cases to ``long``."""

Case = Mapping[str, Any]


class Share(Enum):
    EACH = "each"
    """So many cases that each value of each parameter is in one of them."""
    PAIRS = "pairs"
    """So many cases that any two values of two parameters meet in one of them."""
    ALL = "all"


def sweep(
    *, push: int | Share, full: int | Share = Share.ALL, **parameters: Iterable[object]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run the decorated test for cases of the product of ``parameters``, each in a ``tmp_path`` of its own.

    ``push`` and ``full`` are how many cases those tiers take; the tier ``long`` takes all of them. Other
    fixtures are made once and shared by the cases.
    """
    rows = [
        dict(zip(parameters, values, strict=True))
        for values in product(*(list(values) for values in parameters.values()))
    ]

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        taken = inspect.signature(test).parameters
        salt = zlib.crc32(f"{test.__module__} {test.__qualname__}".encode())

        @functools.wraps(test)
        def swept(request: pytest.FixtureRequest, **fixtures: Any) -> None:
            tier = request.config.getoption("tier") or "push"
            only = request.config.getoption("case")
            folder: Path | None = fixtures.get("tmp_path")
            share = {"push": push, "full": full, "long": Share.ALL}[tier]
            cases = _share(rows, share, salt) if only is None else _named(rows, only)
            began = time.process_time()
            for number, case in enumerate(cases):
                if tier == "full" and time.process_time() - began > BUDGET:
                    warnings.warn(f"{number} of {len(cases)} cases in {BUDGET:.0f} s", stacklevel=1)
                    break
                logs.forget()
                if folder is not None:
                    fixtures["tmp_path"] = folder / str(number)
                    fixtures["tmp_path"].mkdir()
                try:
                    test(**fixtures, **case)
                except BaseException as error:
                    error.add_note(
                        f"in case {number + 1} of {len(cases)}; alone: --case {quote(name_of(case))}"
                    )
                    raise

        kept = [each for name, each in taken.items() if name not in parameters and name != "request"]
        request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY)
        swept.__signature__ = inspect.Signature([*kept, request])  # type: ignore[attr-defined]
        return swept

    return decorate


def examples(*, push: int, full: int) -> settings:
    """Of hypothesis, for a test that takes long; the examples of a push are derandomized (conftest.py)."""
    return settings(max_examples=push if settings.default.derandomize else full)


def name_of(case: Case) -> str:
    """Such as ``ecm=True seed=7``."""
    return " ".join(f"{name}={value}" for name, value in case.items())


def _named(rows: Sequence[Case], name: str) -> list[Case]:
    found = [case for case in rows if name_of(case) == name]
    if not found:
        pytest.skip(f"has no case {name}")
    return found


def _share(rows: Sequence[Case], share: int | Share, salt: int) -> list[Case]:
    ordered = [rows[index] for index in scattered(len(rows), salt)]
    if share is Share.PAIRS:
        return covering(ordered, 2)
    if share is Share.EACH:
        return covering(ordered, 1)
    return ordered if share is Share.ALL else ordered[:share]


def scattered(count: int, salt: int = 0) -> Iterator[int]:
    """Each of ``range(count)`` once, such that those of any beginning lie about evenly in it.

    Steps of the golden section do that: neighbours are far apart, and no remainder is preferred.
    """
    step = max(1, round(count * 0.618034))
    while gcd(step, count) != 1:
        step += 1
    for number in range(count):
        yield (salt + number * step) % count


def covering(rows: Sequence[Case], size: int) -> list[Case]:
    """Some of ``rows``, in which all values of ``size`` parameters meet that meet in ``rows``."""
    met = [frozenset(combinations([(name, id(value)) for name, value in row.items()], size)) for row in rows]
    missing = frozenset[Any]().union(*met)
    chosen: list[Case] = []
    while missing:
        best = max(range(len(rows)), key=lambda index: len(met[index] & missing))
        chosen.append(rows[best])
        missing -= met[best]
    return chosen
