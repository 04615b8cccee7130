"""What the measures share: programs in C, processes that are watched, pages, figures, the report."""
