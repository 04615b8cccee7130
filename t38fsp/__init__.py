"""T.38 fax-over-IP service provider."""

__version__ = "0.1.0"
