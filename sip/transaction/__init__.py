"""Transactions (RFC 3261 17, RFC 6026): state machines, the layer that matches messages to them, timers."""
