"""The commands of the fax service: the service itself, and its clients, which speak its REST API."""
