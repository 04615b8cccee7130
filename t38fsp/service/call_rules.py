"""What the settings say of calls for faxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC, tzinfo

from sip.frozen import dataclass
from t38fsp.call_settings import CallSettings
from t38fsp.service.policy.memory import MemorySettings
from t38fsp.service.policy.retry import RetryPolicy
from t38fsp.service.policy.routing import FailOver
from t38fsp.service.policy.windows import ALWAYS, Window
from t38fsp.service.submission import call_settings, options_of
from t38fsp.service.values import AfterCrash, Job


def asked_for(job: Job, route: str) -> CallSettings:
    """What a job asks for, where routes have no settings."""
    return call_settings(CallSettings(), options_of(job.options or {}).call)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say of attempts."""

    retry: RetryPolicy = RetryPolicy()
    after_crash: AfterCrash = AfterCrash.RESUME
    zone: tzinfo = UTC
    window: Callable[[str], Window] = lambda text: Window.parse(text) if text else ALWAYS
    """The window of ``Job.window``."""
    asked: Callable[[Job, str], CallSettings] = asked_for
    """The settings of a call for a job by a route, before what was learnt of the number."""
    channels: Mapping[str, int] = field(default_factory=dict)
    """Calls that each route takes, on all hosts together."""
    memory: MemorySettings = MemorySettings()
    modems: bool = False
    """This host can send in audio."""
    failover: FailOver = FailOver()
