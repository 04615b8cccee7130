"""Received faxes and events on their way to whom they are for, with retries of their own."""
