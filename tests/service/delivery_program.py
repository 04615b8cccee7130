"""A host that delivers until it is killed, as a process: ``python -m tests.service.delivery_program``.

Its arguments are the URL of the database, its name, its folder, the folder that gets faxes, and a webhook.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from t38fsp.service.database import Database
from t38fsp.service.deliveries import queue
from t38fsp.service.delivery_settings import DeliverySettings
from t38fsp.service.targets import Target
from tests.service.deliveries_host import delivered_to
from tests.service.destinations import SECRET


def settings(folder: str, url: str) -> DeliverySettings:
    return delivered_to(
        Target("archive", folder=folder, file_name="{job}"),
        Target("crm", webhook=url, private=True, secrets=(SECRET,)),
    )


async def main(database_url: str, name: str, folder: str, archive: str, hook: str) -> None:
    queue._LOOK_EVERY = 0.05
    database = Database(database_url)
    work = Path(folder) / name / "work"
    async with queue.Deliveries(database, settings(archive, hook), name, work):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
