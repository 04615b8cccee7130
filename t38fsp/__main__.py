"""``python -m t38fsp``: the command line."""

from t38fsp.cli import main

main()
