"""Send a fax: ``send.py letter.tif sip:+15550100@127.0.0.1:5070``.

Something must answer there: ``t38fsp receive --output faxes --listen 127.0.0.1:5070``, or ``receive.py``.
Exits with 0 if every page was confirmed. Ctrl-C, SIGTERM and a closed terminal hang up.
"""

import asyncio
import signal
import sys

from t38fsp import AddressError, FaxProvider


async def main(document: str, to: str) -> int:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with FaxProvider() as provider:
        result = await provider.send(document, to)
    print(result.status, result.reason, "retry" if result.retry else "final", sep="; ")
    for page in result.pages:
        print(
            f"page {page.number}: {'confirmed' if page.confirmed else 'not confirmed'}, {page.seconds:.1f} s"
        )
    return 0 if result.completed else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: send.py DOCUMENT NUMBER-OR-URI")
    try:
        sys.exit(asyncio.run(main(*sys.argv[1:])))
    except AddressError as error:
        sys.exit(f"send.py: {error}")
    except asyncio.CancelledError:
        sys.exit("send.py: stopped; the call was hung up")
