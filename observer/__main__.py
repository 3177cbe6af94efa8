"""``python -m observer`` is the console script."""

from observer.cli import main

main()
