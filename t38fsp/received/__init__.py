"""Received faxes on their way to whom they are for: names, PDF, text, a sidecar, a command (inbox.py)."""
