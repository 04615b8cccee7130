"""Peers and lines in simulated time."""
