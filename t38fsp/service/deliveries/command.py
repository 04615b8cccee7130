"""Received faxes to a program: the facts are in its environment, the files in a folder for its time."""

from __future__ import annotations

import shlex

from t38fsp.received import command, facts
from t38fsp.service.deliveries.files import Files
from t38fsp.service.deliveries.way import NotDeliveredError, Order


class CommandWay:
    """An exit status other than 0 means that the fax is to be delivered again."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def deliver(self, order: Order) -> None:
        target, fax = order.target, order.fax
        assert fax is not None
        words = shlex.split(target.command)
        about = fax.result | {"pages_confirmed": fax.pages}
        variables = facts.environment(about) | {
            "FAX_ID": fax.id,
            "FAX_RULE": fax.rule,
            "FAX_DELIVERY": order.id,
        }
        async with self._files.made(order) as made:
            try:
                await command.run(words, variables | command.file_variables(made), target.seconds)
            except command.FailedCommandError as error:
                raise NotDeliveredError(f"the command {words[0]} {error}") from error

    async def settle(self, order: Order) -> None:
        """Nothing guards against a repetition; ``FAX_DELIVERY`` is the same then."""
