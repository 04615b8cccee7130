"""What happened on a call: capture files."""
