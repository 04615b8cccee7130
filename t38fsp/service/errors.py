"""The errors of the service that a client can cause; what each door says for them follows from the class.

::

    ServiceError (FaxError)
    ├── NotFoundError       nothing has that id, or not for this key
    ├── StateError          not possible in the state in which it is
    ├── IdempotencyError    the idempotency key was used for something else
    ├── PermitError         the key may not do this
    └── LimitError          too much in too short a time; ``retry_after`` says when to try again

``SubmissionError`` (``t38fsp.service.submission``) is another one: a fax that cannot be accepted as it is.
"""

from __future__ import annotations

from t38fsp.errors import FaxError


class ServiceError(FaxError):
    """Base of the errors below."""


class NotFoundError(ServiceError):
    """Nothing has that id; an id of the wrong form is one that nothing has."""

    def __init__(self, what: str, id: str) -> None:
        super().__init__(f"there is no {what} {id[:60]!r}; list them to see which there are")
        self.what = what
        self.id = id


class StateError(ServiceError):
    """What was asked for is not possible in this state, such as cancelling a fax that is over."""


class IdempotencyError(ServiceError):
    """The idempotency key came with another content before."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"the idempotency key {key[:60]!r} was used for a different fax; repeat that one unchanged, "
            "or use a new key"
        )


class PermitError(ServiceError):
    """The key has no right to do this."""


class LimitError(ServiceError):
    """A limit for some time is reached.

    ``retry_after`` are the seconds after which it may be tried again.
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
