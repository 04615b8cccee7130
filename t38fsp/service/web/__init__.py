"""The REST API of the service, its metrics, and its documentation page."""
