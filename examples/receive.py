"""Receive faxes into a directory, several at once: ``receive.py faxes 127.0.0.1:5070``.

Send to it with ``t38fsp send letter.tif --to sip:+15550100@127.0.0.1:5070``, or ``send.py``. Ctrl-C, SIGTERM
and a closed terminal end its calls; confirmed pages are kept.
"""

import asyncio
import itertools
import logging
import signal
import sys
from datetime import datetime
from pathlib import Path

from t38fsp import AddressError, EngineError, FaxProvider, IncomingFax, listen_address

log = logging.getLogger("receive")


async def take(call: IncomingFax, file: Path) -> None:
    # An exception here would cancel the other calls of the task group. Log instead of printing: print()
    # raises when the terminal is gone.
    try:
        result = await call.receive(file)
        log.info("%s: %s -> %s", call.caller, result.reason, result.file)
    except Exception:
        log.exception("the call from %s failed", call.caller)


async def main(directory: Path, listen: tuple[str, int]) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with FaxProvider(listen, accept_calls=True) as provider, asyncio.TaskGroup() as faxes:
        log.info("listening on %s:%d", *provider.address)
        started = datetime.now().astimezone()
        numbers = itertools.count(1)
        async for call in provider.calls():
            name = f"fax-{started:%Y%m%d-%H%M%S}-{next(numbers)}.tif"
            faxes.create_task(take(call, directory / name))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: receive.py DIRECTORY HOST:PORT")
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    log.setLevel(logging.INFO)
    try:
        output, address = Path(sys.argv[1]), listen_address(sys.argv[2])
        output.mkdir(exist_ok=True)
        asyncio.run(main(output, address))
    except (AddressError, EngineError, OSError) as error:
        sys.exit(f"receive.py: {error}")
    except asyncio.CancelledError:
        log.info("stopped")
