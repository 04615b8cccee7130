"""Pages: TIFF Class F in and out, coding through Pillow, and the worker processes that do it."""
