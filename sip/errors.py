"""Errors of the SIP core.

.. code-block:: text

    SipError
    ├── ParseError (ValueError)        what arrived, or what a person typed, is not SIP or SDP
    ├── UnsendableError (ValueError)   a value given to us would break the message (CR or LF in a header)
    └── UnsupportedError               the backend of the line cannot do this; another one may
"""


class SipError(Exception):
    """Anything that the SIP core raises on purpose."""


class ParseError(SipError, ValueError):
    """A message, header, URI or session description that cannot be read; the text says why."""


class UnsendableError(SipError, ValueError):
    """A value that would break the message it is to be sent in; the text says which."""


class UnsupportedError(SipError):
    """A verb that the backend of a line cannot carry out; the text says what would."""
