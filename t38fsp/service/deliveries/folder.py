"""Received faxes into a folder: each file appears there complete, and once."""

from __future__ import annotations

import asyncio
import os

from sip.logs import get_logger
from t38fsp.received.spool import Entry
from t38fsp.service.deliveries.files import Files
from t38fsp.service.deliveries.way import NotDeliveredError, Order

logger = get_logger(__name__)

_MAKING = ".delivering"
"""Folder in the target where the files are made; a rename then delivers them."""


class FolderWay:
    """The files are made in the folder ``.delivering`` of the target, with a record of the names that were
    chosen for them. It stays until the delivery is stored as done, so that a process that dies in between
    does not deliver them twice under two names."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def deliver(self, order: Order) -> None:
        folder = order.target.folder
        making = os.path.join(folder, _MAKING)
        try:
            await asyncio.to_thread(os.makedirs, making, 0o700, True)
        except OSError as error:
            raise NotDeliveredError(f"{making} cannot be made: {error.strerror or error}") from error
        made = await self._files.put_into(order, folder, _entry(order))
        logger.info("delivery %s: %s", order.id, ", ".join(map(os.path.basename, made.files)))

    async def settle(self, order: Order) -> None:
        entry = _entry(order)
        try:
            await asyncio.to_thread(entry.forget)
        except OSError as error:
            logger.warning("%s could not be removed: %s", entry.record, error.strerror or error)


def left_in(folder: str) -> dict[str, Entry]:
    """What there is of deliveries into ``folder``, by their ids; empty if it cannot be read."""
    making = os.path.join(folder, _MAKING)
    try:
        ids = {name.partition(".")[0] for name in os.listdir(making)}
    except OSError:
        return {}
    return {id: Entry(os.path.join(making, f"{id}.json")) for id in ids}


def _entry(order: Order) -> Entry:
    return Entry(os.path.join(order.target.folder, _MAKING, f"{order.id}.json"))
