"""T.38 fax-over-IP service provider.

What a program needs can be imported from here; each name is loaded when it is first used. The FaxDev
functions are in :mod:`t38fsp.faxdev`, the pytest fixtures of the virtual gateway in
:mod:`t38fsp.virtual.fixtures`. All other modules are private: they may change without notice.

    from t38fsp import FaxProvider

    async with FaxProvider() as provider:
        result = await provider.send("letter.tif", "sip:+15550100@trunk.example")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sip.line_settings import Callers as Callers
    from sip.line_settings import Limits as Limits
    from sip.values import Credentials as Credentials
    from sip.values import DialogId as DialogId
    from t38fsp.audio.modem.library import ModemLibraryError as ModemLibraryError
    from t38fsp.call_settings import CallSettings as CallSettings
    from t38fsp.choices import Audio as Audio
    from t38fsp.choices import Backend as Backend
    from t38fsp.choices import FileFormat as FileFormat
    from t38fsp.choices import Fit as Fit
    from t38fsp.choices import Landscape as Landscape
    from t38fsp.choices import LogNumbers as LogNumbers
    from t38fsp.choices import OverTime as OverTime
    from t38fsp.choices import PageResolution as PageResolution
    from t38fsp.choices import PaperSize as PaperSize
    from t38fsp.choices import Quality as Quality
    from t38fsp.choices import Switch as Switch
    from t38fsp.cover import Cover as Cover
    from t38fsp.documents.cover_markup import CoverMarkupError as CoverMarkupError
    from t38fsp.errors import FaxError as FaxError
    from t38fsp.errors import SettingError as SettingError
    from t38fsp.events import Addressed as Addressed
    from t38fsp.events import BeganInAudio as BeganInAudio
    from t38fsp.events import Connected as Connected
    from t38fsp.events import Delayed as Delayed
    from t38fsp.events import Dialing as Dialing
    from t38fsp.events import Disconnected as Disconnected
    from t38fsp.events import FaxEvent as FaxEvent
    from t38fsp.events import Finished as Finished
    from t38fsp.events import Identified as Identified
    from t38fsp.events import PageDone as PageDone
    from t38fsp.events import PageStarted as PageStarted
    from t38fsp.events import RegistrationChanged as RegistrationChanged
    from t38fsp.events import RegistrationStatus as RegistrationStatus
    from t38fsp.events import Ringing as Ringing
    from t38fsp.events import SwitchedToT38 as SwitchedToT38
    from t38fsp.events import Trained as Trained
    from t38fsp.events import Warned as Warned
    from t38fsp.header import Header as Header
    from t38fsp.image.errors import DocumentChangedError as DocumentChangedError
    from t38fsp.image.errors import DocumentError as DocumentError
    from t38fsp.image.errors import EncryptedError as EncryptedError
    from t38fsp.image.errors import ImageError as ImageError
    from t38fsp.image.errors import ImageWorkerError as ImageWorkerError
    from t38fsp.image.errors import NotFaxError as NotFaxError
    from t38fsp.image.errors import StoreError as StoreError
    from t38fsp.inbox_settings import InboxSettings as InboxSettings
    from t38fsp.jobs import Addressing as Addressing
    from t38fsp.jobs import EngineError as EngineError
    from t38fsp.jobs import EngineSettings as EngineSettings
    from t38fsp.jobs import PollOffer as PollOffer
    from t38fsp.outcome import Outcome as Outcome
    from t38fsp.page_settings import PageSettings as PageSettings
    from t38fsp.prepared import PreparedDocument as PreparedDocument
    from t38fsp.prepared import PreparedPage as PreparedPage
    from t38fsp.prepared import prepare as prepare
    from t38fsp.provider import FaxProvider as FaxProvider
    from t38fsp.provider import IncomingFax as IncomingFax
    from t38fsp.received.inbox import Inbox as Inbox
    from t38fsp.received.inbox import ReceivedFax as ReceivedFax
    from t38fsp.results import AudioQuality as AudioQuality
    from t38fsp.results import FaxResult as FaxResult
    from t38fsp.results import Medium as Medium
    from t38fsp.results import PageRecord as PageRecord
    from t38fsp.settings.address import AddressError as AddressError
    from t38fsp.settings.address import NoPeerError as NoPeerError
    from t38fsp.settings.address import listen_address as listen_address
    from t38fsp.settings.errors import ConfigurationError as ConfigurationError
    from t38fsp.settings.errors import UnknownRouteError as UnknownRouteError
    from t38fsp.settings.file import Configuration as Configuration
    from t38fsp.settings.route import Route as Route
    from t38fsp.status import FaxStatus as FaxStatus
    from t38fsp.t30.options import PollDocument as PollDocument
    from t38fsp.t30.vocabulary import Coding as Coding
    from t38fsp.t30.vocabulary import Resolution as Resolution
    from t38fsp.virtual.hooks import QuirkError as QuirkError
else:
    from sip.exports import exports

    # The same imports for run time; a test compares the two.
    _MODULES = {
        "sip.line_settings": ("Callers", "Limits"),
        "sip.values": ("Credentials", "DialogId"),
        "t38fsp.audio.modem.library": ("ModemLibraryError",),
        "t38fsp.call_settings": ("CallSettings",),
        "t38fsp.choices": (
            "Audio",
            "Backend",
            "FileFormat",
            "Fit",
            "Landscape",
            "LogNumbers",
            "OverTime",
            "PageResolution",
            "PaperSize",
            "Quality",
            "Switch",
        ),
        "t38fsp.cover": ("Cover",),
        "t38fsp.documents.cover_markup": ("CoverMarkupError",),
        "t38fsp.errors": ("FaxError", "SettingError"),
        "t38fsp.events": (
            "Addressed",
            "BeganInAudio",
            "Connected",
            "Delayed",
            "Dialing",
            "Disconnected",
            "FaxEvent",
            "Finished",
            "Identified",
            "PageDone",
            "PageStarted",
            "RegistrationChanged",
            "RegistrationStatus",
            "Ringing",
            "SwitchedToT38",
            "Trained",
            "Warned",
        ),
        "t38fsp.header": ("Header",),
        "t38fsp.image.errors": (
            "DocumentChangedError",
            "DocumentError",
            "EncryptedError",
            "ImageError",
            "ImageWorkerError",
            "NotFaxError",
            "StoreError",
        ),
        "t38fsp.inbox_settings": ("InboxSettings",),
        "t38fsp.jobs": ("Addressing", "EngineError", "EngineSettings", "PollOffer"),
        "t38fsp.outcome": ("Outcome",),
        "t38fsp.page_settings": ("PageSettings",),
        "t38fsp.prepared": ("PreparedDocument", "PreparedPage", "prepare"),
        "t38fsp.provider": ("FaxProvider", "IncomingFax"),
        "t38fsp.received.inbox": ("Inbox", "ReceivedFax"),
        "t38fsp.results": ("AudioQuality", "FaxResult", "Medium", "PageRecord"),
        "t38fsp.settings.address": ("AddressError", "NoPeerError", "listen_address"),
        "t38fsp.settings.errors": ("ConfigurationError", "UnknownRouteError"),
        "t38fsp.settings.file": ("Configuration",),
        "t38fsp.settings.route": ("Route",),
        "t38fsp.status": ("FaxStatus",),
        "t38fsp.t30.options": ("PollDocument",),
        "t38fsp.t30.vocabulary": ("Coding", "Resolution"),
        "t38fsp.virtual.hooks": ("QuirkError",),
    }
    __getattr__, __dir__ = exports(__name__, _MODULES)
