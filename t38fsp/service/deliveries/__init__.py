"""Received faxes and events on their way to their recipients, with retries of their own."""
