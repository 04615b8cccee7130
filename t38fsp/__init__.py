"""T.38 fax-over-IP service provider."""
