"""How much a decision asks of people, mildest first."""

from __future__ import annotations

from observer.domain.kinds import Vocabulary


class Severity(Vocabulary):
    """The order is that of gravity."""

    INFO = "info", "Worth a line in the record; nobody has to read it today."
    WARNING = "warning", "Worth a look in working hours."
    PAGE = "page", "A person is needed now."

    def reaches(self, least: Severity) -> bool:
        """Whether this is as grave as ``least``."""
        order = list(Severity)
        return order.index(self) >= order.index(least)


def at_least(severity: str, least: str) -> bool:
    """Whether ``severity`` is as grave as ``least``; a word of a newer Observer is taken as grave."""
    words = [known.value for known in Severity]
    return severity not in words or words.index(severity) >= words.index(least)
