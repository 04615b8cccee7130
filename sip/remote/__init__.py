"""The line interface across a process boundary: one process owns the SIP address, others have the calls."""
