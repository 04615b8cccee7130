"""Receive faxes into a directory, several at once: ``receive.py faxes 127.0.0.1:5070``.

Send to it with ``t38fsp send letter.tif --to sip:+15550100@127.0.0.1:5070``, or ``send.py``. Ctrl-C ends its
calls, and keeps the pages that were confirmed.
"""

import asyncio
import itertools
import sys
from pathlib import Path

from t38fsp.provider import FaxProvider, IncomingFax


async def take(call: IncomingFax, file: Path) -> None:
    result = await call.receive(file)
    print(f"{call.caller}: {result.reason}; {result.pages_confirmed} pages in {file}", flush=True)


async def main(directory: Path, host: str, port: int) -> None:
    async with FaxProvider((host, port), accept_calls=True) as provider, asyncio.TaskGroup() as faxes:
        print("listening on {}:{}".format(*provider.address), flush=True)
        numbers = itertools.count(1)
        async for call in provider.calls():
            faxes.create_task(take(call, directory / f"fax-{next(numbers)}.tif"))


if __name__ == "__main__":
    output, (listen, _, number) = Path(sys.argv[1]), sys.argv[2].rpartition(":")
    output.mkdir(exist_ok=True)
    try:
        asyncio.run(main(output, listen, int(number)))
    except KeyboardInterrupt:
        print("stopped")
