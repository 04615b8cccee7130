"""The grey or coloured page as black and white, so that it faxes well."""
