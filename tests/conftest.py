"""What holds for every test."""

from hypothesis import HealthCheck, settings

# No test depends on speed, neither of the machine nor of what else runs on it.
settings.register_profile("t38fsp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("t38fsp")
