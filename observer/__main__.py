"""``python -m observer`` is the console script."""

from observer.cli.main import main

main()
