"""The three ways a story can end badly, kept apart: Observer did harm, Observer was wrong, the lab could not tell."""

from __future__ import annotations


class Harm(AssertionError):
    """Observer touched what it must not touch. No weakness of the lab excuses it."""


class LabUnfit(Exception):
    """Scrapes were lost, a container restarted by itself, the machine was overloaded: nothing was learnt."""


EXIT_UNFIT = 75
"""Exit code of a session in which nothing failed and something could not be told."""
