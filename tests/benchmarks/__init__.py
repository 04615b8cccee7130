"""Measured by hand, never asserted: ratios against a peer in the same run."""
