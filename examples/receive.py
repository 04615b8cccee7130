"""Receive faxes into a directory, several at once: ``receive.py faxes 127.0.0.1:5070``.

Send to it with ``t38fsp send letter.tif --to sip:+15550100@127.0.0.1:5070``, or ``send.py``. Ctrl-C ends its
calls, and keeps the pages that were confirmed.
"""

import asyncio
import itertools
import sys
from pathlib import Path

from t38fsp.address import AddressError, listen_address
from t38fsp.jobs import EngineError
from t38fsp.provider import FaxProvider, IncomingFax


async def take(call: IncomingFax, file: Path) -> None:
    result = await call.receive(file)
    print(f"{call.caller}: {result.reason}; {result.pages_confirmed} pages in {file}", flush=True)


async def main(directory: Path, listen: tuple[str, int]) -> None:
    async with FaxProvider(listen, accept_calls=True) as provider, asyncio.TaskGroup() as faxes:
        print("listening on {}:{}".format(*provider.address), flush=True)
        numbers = itertools.count(1)
        async for call in provider.calls():
            faxes.create_task(take(call, directory / f"fax-{next(numbers)}.tif"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("write: receive.py DIRECTORY HOST:PORT")
    try:
        output, address = Path(sys.argv[1]), listen_address(sys.argv[2])
        output.mkdir(exist_ok=True)
        asyncio.run(main(output, address))
    except (AddressError, EngineError, OSError) as error:
        sys.exit(f"receive.py: {error}")
    except KeyboardInterrupt:
        print("stopped")
