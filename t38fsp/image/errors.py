"""What can go wrong with pages.

::

    ImageError
    ├── DocumentError (also a ValueError)   the document cannot be faxed as it is: the caller's doing
    ├── StoreError                          a received page could not be put on disk
    └── ImageWorkerError                    a worker process died or overran its time

Every message is one sentence that says what is wrong and, where there is something, what would do.
"""

from __future__ import annotations


class ImageError(Exception):
    """Any failure of this package."""


class DocumentError(ImageError, ValueError):
    """The document cannot be faxed as it is."""


class StoreError(ImageError):
    """A received page could not be stored."""


class ImageWorkerError(ImageError):
    """The process that worked on a page ended or overran its time; other jobs are not affected."""
