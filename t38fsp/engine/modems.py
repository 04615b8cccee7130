"""The library of modems, for the calls that may go in audio.

It is loaded when a call needs it: with ``fallback`` at the answer, so that the INVITE of a call that uses
T.38 does not wait for it; with ``only`` before the call, which is not placed without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from t38fsp.choices import Audio

if TYPE_CHECKING:
    from t38fsp.audio.modem.library import ModemLibrary


def modems_for(audio: Audio) -> Callable[[], ModemLibrary] | None:
    """What loads the library, for a call with this setting; None if it is not to use audio.

    Raises SettingError with ``only`` if there is no library that can be used.
    """
    if audio is Audio.NEVER:
        return None
    if audio is Audio.ONLY:
        _load()
    return _load


def _load() -> ModemLibrary:
    from t38fsp.audio.modem.library import modem_library

    return modem_library()
