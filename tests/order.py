"""In which order tests run where several processes share them, so that none waits at the end for a long one.

``--dist worksteal`` gives each worker an equal run of the tests, and one that is through takes the later half
of another's. So a worker begins with the beginning of its run. Three of four begin with tests that wait, in
real time, for calls and processes; the fourth begins with those that compute. Together they keep the
processors busy from the beginning to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

WAITING = (
    "service/test_crashes.py",
    "chain/test_audio.py",
    "chain/test_rtpengine.py",
    "cli/test_resume.py",
    "cli/test_polling.py",
    "documents/test_office_conversion.py",
    "cli/test_signals.py",
    "service/test_serve.py",
    "service/test_service_documented.py",
    "service/test_commands.py",
    "service/test_queue.py",
    "faxdev/test_sipp.py",
    "engine/test_backends.py",
    "engine/test_modems.py",
    "engine/test_workers.py",
    "virtual/test_fixtures.py",
    "faxdev/test_loopback.py",
    "virtual/test_sockets.py",
    "spandsp/test_real_calls.py",
    "engine/test_shared_address.py",
    "cli/test_output.py",
    "engine/test_sip_lines.py",
    "cli/test_calls.py",
    "cli/test_received_files.py",
    "cli/test_signalling.py",
    "cli/test_virtual_gateway.py",
    "test_examples.py",
    "test_api_documented.py",
    "test_provider_workers.py",
    "test_routes_documented.py",
    "test_under_fire.py",
    "test_provider.py",
    "sip/test_many_calls.py",
    "received/test_inbox.py",
    "sip/test_pjsua_deaths.py",
    "sip/test_sipp_losses.py",
    "engine/test_received_file.py",
    "engine/test_pages_under_load.py",
    "engine/test_faults.py",
    "engine/test_engine.py",
    "engine/test_engine_routes.py",
    "faxdev/test_abort.py",
    "sip/test_sipp.py",
    "sip/test_pjsua_tls.py",
    "sip/test_pjsua.py",
    "sip/test_lines.py",
    "test_cover_of_a_fax.py",
)
"""Files, below ``tests``, whose tests wait in real time for more than a few seconds, the longest first."""
COMPUTING = (
    "audio/test_modem.py",
    "virtual/test_combinations.py",
    "documents/test_zoo.py",
    "call/test_any_line.py",
    "call/test_any_peer.py",
    "call/test_internet_aware.py",
    "spandsp/test_unpaced.py",
    "spandsp/test_matrix.py",
    "call/test_resume.py",
    "spandsp/test_calls.py",
    "virtual/test_quirks.py",
    "call/test_loss.py",
    "call/test_abort.py",
    "cli/test_preview.py",
    "documents/test_cover.py",
)
"""Those whose tests compute for long, the longest first."""
WHOLE = (
    "cli/test_polling.py",
    "cli/test_calls.py",
    "faxdev/test_sipp.py",
    "documents/test_office_conversion.py",
)
"""Those whose calls or processes are a fixture of the module: they are made once only if one worker runs all
the tests."""

Item = TypeVar("Item")


def arranged(items: Sequence[Item], workers: int, file_of: Callable[[Item], str]) -> list[Item]:
    """``items`` as they are to be handed to so many ``workers``; the same items."""
    waiting = list(_blocks(items, WAITING, file_of))
    computing = list(_blocks(items, COMPUTING, file_of))
    listed = {id(item) for block in (*waiting, *computing) for item in block}
    rest = [item for item in items if id(item) not in listed]
    computers = max(1, workers // 4)
    runs: list[list[Item]] = [[] for _ in range(workers)]
    for number, block in enumerate(computing):
        runs[number % computers].extend(block)
    for number, block in enumerate(waiting):
        runs[workers - 1 - number % max(workers - computers, 1)].extend(block)
    return list(_filled(runs, rest))


def _blocks(
    items: Sequence[Item], files: Sequence[str], file_of: Callable[[Item], str]
) -> Iterator[list[Item]]:
    """What is run by one worker, from these files and in their order."""
    for file in files:
        its = [item for item in items if file_of(item) == file]
        yield from [its] if file in WHOLE else ([item] for item in its)


def _filled(runs: Sequence[list[Item]], rest: Sequence[Item]) -> Iterator[Item]:
    """The runs, each with the length that pytest-xdist gives it, which the rest fills up."""
    left = len(rest) + sum(map(len, runs))
    lengths = []
    for number in range(len(runs)):
        lengths.append(left // (len(runs) - number))
        left -= lengths[-1]
    too_many = [item for run, length in zip(runs, lengths, strict=True) for item in run[length:]]
    more = chain(too_many, rest)
    for run, length in zip(runs, lengths, strict=True):
        yield from run[:length]
        yield from islice(more, max(length - len(run), 0))
