"""The errors that a program meets, all of one root.

::

    FaxError
    ├── AddressError (ValueError)         a number, URI or peer address that cannot be called
    │   └── NoPeerError                   a number, and nothing says through whom it is called
    ├── ConfigurationError (ValueError)   the configuration file or a variable of the environment is wrong
    ├── SettingError (ValueError)         an argument is out of range, or does not go with another
    ├── UnknownRouteError (LookupError)   there is no route of that name
    ├── EngineError                       the engine cannot start, or has died
    ├── ImageError                        pages: only where a program works on files itself
    │   ├── DocumentError (ValueError)    the document cannot be faxed as it is
    │   ├── StoreError                    a received page could not be put on disk
    │   └── ImageWorkerError              a worker process died or overran its time
    └── QuirkError (ValueError)           a quirk that the virtual gateway has not

Each is raised before a call: once it is placed, whatever happens to it is in its result. Every message is a
sentence that says what is wrong and, where there is something, what would do.

``sip.syntax.errors.SipError`` is the root of the package ``sip``, which knows no fax and raises none of
these. Where a fax program could meet one, it has become one of those above (EngineError, AddressError,
ConfigurationError) or a result. A value of ``sip`` that is out of range (Limits, Callers)
is a ValueError. A use that no program can want, such as of a provider that was not entered,
is a RuntimeError.
"""

from __future__ import annotations


class FaxError(Exception):
    """Anything that this package raises to a program on purpose."""


class SettingError(FaxError, ValueError):
    """An argument is out of range, or does not go with another; the message says what would do."""


class UnknownRouteError(FaxError, LookupError):
    """There is no route of that name; the message names those that there are."""
