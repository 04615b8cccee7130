"""Fax each PDF of a folder to one number: ``fax_folder.py outbox sip:+15550100@127.0.0.1:5070``.

Run it again and again, by a timer for example: what was sent is moved to ``outbox/sent``, what cannot be sent
to ``outbox/failed``, and what may succeed later stays. Exits with 0 if everything was sent.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from t38fsp import AddressError, FaxProvider, FaxResult


async def main(documents: Sequence[Path], to: str) -> int:
    sent = 0
    async with FaxProvider() as provider:
        for document in documents:
            result = await provider.send(document, to)
            put_away(document, result)
            sent += result.completed
    return 0 if sent == len(documents) else 1


def put_away(document: Path, result: FaxResult) -> None:
    if result.retry:
        print(f"{document.name}: {result.reason}; it stays, as {result.retry_reason}")
        return
    place = document.parent / ("sent" if result.completed else "failed")
    place.mkdir(exist_ok=True)
    document.rename(place / document.name)
    print(f"{document.name}: {result.reason}; it is now in {place}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: fax_folder.py FOLDER NUMBER-OR-URI")
    outbox = Path(sys.argv[1])
    if not outbox.is_dir():
        sys.exit(f"fax_folder.py: {outbox} is not a folder; make it, or name another")
    try:
        sys.exit(asyncio.run(main(sorted(outbox.glob("*.pdf")), sys.argv[2])))
    except AddressError as error:
        sys.exit(f"fax_folder.py: {error}")
    except KeyboardInterrupt:
        sys.exit("fax_folder.py: stopped; the call was hung up")
