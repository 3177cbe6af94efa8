"""Files that people edit while the daemon runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class EditedFiles(Protocol):
    """Tells whether what people wrote is another text now. Blocking; asked every few seconds, off the event loop."""

    def changed(self, wanted: Sequence[str]) -> bool:
        """
        True once after every change of content of the settings file or of anything behind ``wanted`` (files,
        directories, ``shipped``), a file that came or went included. Never raises for what is not there.
        """
        ...
