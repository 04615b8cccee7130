"""What holds for every test."""

import signal

from hypothesis import HealthCheck, settings

# No test depends on speed, neither of the machine nor of what else runs on it.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples each time: a push is red because of the push. The full tier goes on searching.
settings.register_profile("push", settings.get_profile("search"), derandomize=True)
settings.load_profile("search")

# A shell starts background jobs deaf to Ctrl-C, and the programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
