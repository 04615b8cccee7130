"""The command line: ``t38fsp demo``, ``t38fsp send``, ``t38fsp receive``."""

from t38fsp.cli.app import main

__all__ = ["main"]
