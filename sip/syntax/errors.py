"""Errors of the SIP core.

.. code-block:: text

    SipError
    ├── ParseError (ValueError)        what arrived, or what a person typed, is not SIP or SDP
    ├── UnsendableError (ValueError)   a value given to us would break the message (CR or LF in a header)
    └── UnsupportedError               the backend of the line cannot do this; another one may
"""

from __future__ import annotations

import errno

_OUT_OF = {
    errno.EMFILE: "; allow this process more open files (ulimit -n)",
    errno.ENFILE: "; this machine has too many open files",
    errno.ENOMEM: "; this machine is out of memory",
}


def told(error: OSError) -> str:
    """The system's message for an error, with a remedy where a limit of the process or machine is the
    cause."""
    return f"{error.strerror or error}{_OUT_OF.get(error.errno or 0, '')}"


class SipError(Exception):
    """Anything that the SIP core raises on purpose."""


class ParseError(SipError, ValueError):
    """A message, header, URI or session description that cannot be parsed; the text contains the reason."""


class UnsendableError(SipError, ValueError):
    """A value that cannot be sent in a message, such as one with a line break; the text names it."""


class UnsupportedError(SipError):
    """A verb that the backend of a line cannot carry out; the message names an alternative."""
