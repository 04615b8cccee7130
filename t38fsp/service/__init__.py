"""The fax service: a queue in a database, retries, several hosts, received faxes delivered by rules."""
