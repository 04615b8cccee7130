"""A process that delivers faxes: ``python -m t38fsp.received.worker`` does one order of its pipe at a time.

It gives way to calls, and its memory is limited, also for the programs that it runs.
"""

from __future__ import annotations

from sip.ipc.codec import WireError
from sip.ipc.pipes import (
    leave_signals_to_the_program,
    limit_this_process,
    read_messages,
    take_standard_streams,
)
from t38fsp.image.errors import ImageError
from t38fsp.received.delivery import deliver
from t38fsp.received.wire import CODEC, Deliver, Message, NotDelivered

_NICENESS = 10
_MEMORY = 2 * 1024 * 1024 * 1024
"""Octets of address space; tesseract takes a tenth of it for a page, an ordinary fax a hundredth."""


def serve(orders: int, replies: int) -> None:
    """Read orders from one descriptor and write replies to the other, until the input ends. Raises
    WireError."""
    with open(replies, "wb") as sink:
        for order in read_messages(orders, CODEC):
            if not isinstance(order, Deliver):
                raise WireError(f"a {type(order).__name__} is not an order")
            reply: Message
            try:
                reply = deliver(order)
            # Among them StoreError; what else is raised ends the process, and WorkerDiedError tells it.
            except ImageError as error:
                reply = NotDelivered(str(error))
            sink.write(CODEC.encode(reply))
            sink.flush()


def main() -> None:
    orders, replies = take_standard_streams()
    leave_signals_to_the_program()
    limit_this_process(_MEMORY, _NICENESS, with_children=True)
    serve(orders, replies)


if __name__ == "__main__":
    main()
