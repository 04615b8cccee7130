"""Fax a document to everyone in a table, each with a cover page: ``mail_merge.py people.csv letter.pdf``.

The first line of the table names its columns: ``to``, a number or a SIP URI; ``to_name``, ``subject`` and
``comment`` for the cover page; any other becomes a line there. Numbers go through the route ``office`` of the
configuration file. The pages of the document are made once. A fax that may succeed later is tried again, from
the first page that was not confirmed. Exits with 0 if every fax was sent.
"""

import asyncio
import csv
import os
import sys

from t38fsp import Configuration, ConfigurationError, Cover, DocumentError, FaxProvider, PreparedDocument

AT_ONCE = 4
TRIES = 3
PAUSE = float(os.environ.get("PAUSE", "60"))
"""Seconds before another try, unless the far end asks for more."""

Row = dict[str, str]


async def fax(provider: FaxProvider, letter: PreparedDocument, row: Row, route: str | None) -> bool:
    to = row["to"]
    said = {name: text for name, text in row.items() if text and name != "to"}
    cover = Cover.of({"template": "business"} | said)
    earlier = None
    for left in reversed(range(TRIES)):
        result = await provider.send(letter, to, route=route, cover=cover, resume=earlier)
        again = result.retry and left > 0
        print(f"{to}: {result.reason}{'; it will be tried again' if again else ''}", flush=True)
        if not again:
            break
        earlier = result if result.pages_confirmed else earlier
        await asyncio.sleep(max(PAUSE, result.retry_after or 0.0))
    return result.completed


async def main(rows: list[Row], document: str) -> int:
    config = Configuration.find()
    route = "office" if "office" in config.names else None
    free = asyncio.Semaphore(AT_ONCE)
    async with (
        FaxProvider(config=config) as provider,
        await provider.prepare(document, route=route) as letter,
    ):

        async def one(row: Row) -> bool:
            async with free:
                try:
                    return await fax(provider, letter, row, route)
                except ValueError as error:  # a number or a text that cannot be; the others go on
                    print(f"{row['to']}: not sent: {error}")
                    return False

        return 0 if all(await asyncio.gather(*map(one, rows))) else 1


def table(path: str) -> list[Row]:
    """Raises ValueError for a file that is no such table."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, restkey="more", restval="")
            if "to" in (rows.fieldnames or ()):
                return list(rows)
    except UnicodeDecodeError:
        raise ValueError("it is not in UTF-8; save it as 'CSV UTF-8'") from None
    except (OSError, csv.Error) as error:
        raise ValueError(f"it cannot be read: {error}; check its name") from error
    raise ValueError("it has no column 'to'; name the columns in its first line, with commas between them")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: mail_merge.py TABLE DOCUMENT")
    try:
        people = table(sys.argv[1])
    except ValueError as error:
        sys.exit(f"mail_merge.py: the table {sys.argv[1]}: {error}")
    try:
        sys.exit(asyncio.run(main(people, sys.argv[2])))
    except (ConfigurationError, DocumentError) as error:
        sys.exit(f"mail_merge.py: {error}")
    except KeyboardInterrupt:
        sys.exit("mail_merge.py: stopped; its calls were hung up")
