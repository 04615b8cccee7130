"""The training check (TCF, T.30 5.3.6.1.4): 1.5 s of zeros at the rate of the DCS."""

from __future__ import annotations

from t38fsp.t30.vocabulary import Modem, RawBurst

_SECONDS = 1.5
# T.30 does not define the criterion for TCF (5.3.6.1.4); its beginning may be lost to carrier detection.
_ENOUGH_SECONDS = 1.0


def training_check(modem: Modem) -> RawBurst:
    """The TCF burst, always with long training."""
    # T.30 5.3.6.1.3 allows 10 % either way; receivers want at least a second of it without an error.
    return RawBurst(modem, bytes(int(modem.rate * _SECONDS) // 8))


class TrainingJudge:
    """Passes training if it contains one second of zeros without a wrong octet.

    Lost packets do not count against it: a lower rate would not reduce packet loss.
    """

    def __init__(self, modem: Modem) -> None:
        self._enough = int(modem.rate * _ENOUGH_SECONDS) // 8
        self._run = 0
        self._longest = 0
        self._heard = False

    @property
    def has_heard(self) -> bool:
        """Whether anything was received at all, good or bad."""
        return self._heard

    def feed(self, octets: bytes) -> None:
        self._heard = True
        runs = _zero_runs(octets)
        self._run += runs[0]
        self._longest = max(self._longest, self._run, *runs)
        # There was an octet other than zero: the run that goes on is the one after the last of these.
        if len(runs) > 1:
            self._run = runs[-1]

    @property
    def passed(self) -> bool:
        return self._longest >= self._enough


def _zero_runs(octets: bytes) -> list[int]:
    """Lengths of the runs of zero octets, including those at both ends."""
    runs = [0]
    for octet in octets:
        if octet:
            runs.append(0)
        else:
            runs[-1] += 1
    return runs
