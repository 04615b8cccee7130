"""What holds for every test."""

import signal

from hypothesis import HealthCheck, settings

# No test depends on speed, neither of the machine nor of what else runs on it.
settings.register_profile("t38fsp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("t38fsp")

# A shell starts background jobs deaf to Ctrl-C, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
