"""The caller of the service: its calls are those of one FaxProvider."""

from __future__ import annotations

from t38fsp.jobs import Addressing
from t38fsp.provider import FaxProvider
from t38fsp.results import FaxResult
from t38fsp.service.caller import CallOrder, OnConnected, OnEvent
from t38fsp.service.preparing import Preparing, cover_of
from t38fsp.service.submission import options_of


class ProviderCaller:
    """Places calls through ``provider``, which is entered, and has the routes of the service."""

    def __init__(self, provider: FaxProvider, preparing: Preparing) -> None:
        self._provider = provider
        self._preparing = preparing

    async def call(self, order: CallOrder, on_event: OnEvent, on_connected: OnConnected) -> FaxResult:
        """See :class:`t38fsp.service.caller.Caller`."""
        options, receiver = options_of(order.job.options or {}), order.fax.receiver
        async with self._preparing.document(order.job, order.route, several=order.several) as document:
            await order.confirm()
            return await self._provider.send(
                document,
                receiver.to,
                route=order.route,
                caller=options.caller,
                settings=order.settings,
                pages=options.pages,
                password=options.password,
                cover=cover_of(options.cover, receiver),
                resume=order.first_page if order.first_page > 1 else None,
                addressing=Addressing(receiver.sub_address, options.sender_id),
                header=options.header,
                on_event=on_event,
                on_connected=on_connected,
            )
