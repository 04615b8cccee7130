"""The errors raised to a program, all under one root.

::

    FaxError
    ├── AddressError (ValueError)         a number, URI or peer address that cannot be called
    │   └── NoPeerError                   a number alone, with no SIP peer to call it through
    ├── ConfigurationError (ValueError)   the configuration file or an environment variable is wrong
    │   └── UnknownRouteError (LookupError)   no route has that name
    ├── SettingError (ValueError)         an argument is out of range, or conflicts with another
    │   └── ModemLibraryError             libspandsp, which fax in audio needs, cannot be used
    ├── EngineError                       the engine cannot start, or has died
    ├── ImageError                        pages: only where a program works on files itself
    │   ├── DocumentError (ValueError)    the document cannot be faxed as it is
    │   │   ├── DocumentChangedError      it was changed since the fax began
    │   │   ├── EncryptedError            its password is missing or wrong
    │   │   ├── CoverMarkupError          the template of a cover page does not make a page
    │   │   └── NotFaxError               a TIFF file, but not of Class F: it is sent as a picture
    │   ├── StoreError                    a received page could not be written to disk
    │   └── ImageWorkerError              a worker process died or exceeded its time limit
    ├── QuirkError (ValueError)           the virtual gateway has no such quirk
    ├── SubmissionError                   the service cannot accept what was submitted; names the fields
    ├── ServiceError                      the service cannot do what was asked for
    │   ├── NotFoundError                 nothing has that id
    │   ├── StateError                    not in this state, such as cancelling a fax that is over
    │   ├── IdempotencyError              the idempotency key came with another content before
    │   ├── PermitError                   the key has no right to do this
    │   └── LimitError                    a limit for some time is reached
    ├── GuardError                        a URL that the service may not connect to
    ├── DatabaseError                     the database of the service cannot be used
    │   └── UnstorableError               a value that it does not take
    ├── HostError                         this host cannot take part in the service
    └── WebError                          the REST API cannot listen where it should

Each is raised before a call is placed; anything that happens to the call later is in its result. Every
message is one sentence: what is wrong, and what to do about it where there is a remedy.

``sip.syntax.errors.SipError`` is the root of the package ``sip``, which does not know about fax and raises
none of these. Where a fax program could meet one, it is converted to one of the above (EngineError,
AddressError, ConfigurationError) or to a result. A setting of ``sip`` that is out of range (Limits, Callers)
raises ValueError. Misuse of the API, such as sending through a provider that was not entered, raises
RuntimeError.
"""

from __future__ import annotations


class FaxError(Exception):
    """Base of all errors that this package raises deliberately."""


class SettingError(FaxError, ValueError):
    """An argument is out of range, or conflicts with another; the message names what is valid."""
