"""The measures, one a file; ``MEASURES`` in :mod:`tests.benchmarks.__main__` names them."""
