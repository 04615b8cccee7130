"""Settings from file, environment and program: routes, the local end, callers, dial plans."""
