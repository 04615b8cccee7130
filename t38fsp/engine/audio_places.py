"""The number of calls whose fax is in audio, and the limit of it.

A call in audio costs an engine more processor time than one with T.38, and no copy of a packet makes up for
one that is late. So there is a limit for them that is lower than that of all calls, and the next fax is
refused rather than all others spoilt.

A call that is to use audio alone has its place from before it is dialled or taken; one that falls back, from
the moment at which T.30 begins in audio.
"""

from __future__ import annotations

from t38fsp.choices import Audio
from t38fsp.engine.capacity import OverloadedError


class AudioPlaces:
    """At most ``most`` jobs, by their number, have a place at the same time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: set[int] = set()

    def refusal(self, job: int) -> str:
        """Why ``job`` cannot use audio now; empty if it can, or does already."""
        if job in self._jobs or len(self._jobs) < self._most:
            return ""
        return (
            f"this engine has {len(self._jobs)} faxes in audio, and takes no more (max_audio_calls = "
            f"{self._most}); try again later, or run more engine processes (workers)"
        )

    def take(self, job: int) -> None:
        """The fax of ``job`` is in audio."""
        self._jobs.add(job)

    def take_first(self, job: int, audio: Audio) -> None:
        """Take a place for a call that is still to be placed or taken, if it is to use audio alone.

        Raises OverloadedError if there is none.
        """
        if audio is not Audio.ONLY:
            return
        if why := self.refusal(job):
            raise OverloadedError(why)
        self.take(job)

    def free(self, job: int) -> None:
        """The job is over, or its fax goes on over T.38; nothing happens if it has no place."""
        self._jobs.discard(job)
