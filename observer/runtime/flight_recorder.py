"""The flight recorder: what the loop saw and decided, in files of bounded size. A recorder that fails stops itself."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import structlog

from observer import __version__
from observer.domain.errors import RecordingError
from observer.recording.events import Began, Event
from observer.recording.files import RecordingWriter

log = structlog.get_logger(__name__)


class FlightRecorder:
    """
    Writes into ``folder``; a file that reached ``max_bytes`` is followed by another, and only the newest ``keep`` stay.

    Those of earlier runs count too: a daemon that restarts often must not fill the disk. Each file begins with the
    memory of that moment, so every one of them can be replayed alone. Recording never disturbs the loop: the first
    failure is told, and nothing more is recorded.
    """

    def __init__(self, folder: Path, *, max_bytes: int, keep: int) -> None:
        self._folder, self._max, self._keep = folder, max_bytes, keep
        self._writer: RecordingWriter | None = None
        self._files: deque[Path] = deque()
        self._failed = False

    @property
    def files(self) -> tuple[Path, ...]:
        """What is being kept, oldest first."""
        return tuple(self._files)

    def note(self, event: Event, after: Began) -> None:
        """Add one event; the first one and those after a full file are covered by ``after`` instead."""
        if self._failed:
            return
        try:
            if self._writer is None:
                self._begin(after)
            elif self._writer.write(event) >= self._max:
                self.close()
        except RecordingError as exc:
            self._failed = True
            log.error("recording_failed", detail=str(exc))

    def close(self) -> None:
        """End the file at hand."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()

    async def ended(self) -> None:
        """The same, for the end of the daemon."""
        try:
            self.close()
        except RecordingError as exc:
            log.error("recording_failed", detail=str(exc))

    def _begin(self, after: Began) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise RecordingError(f"{self._folder}: cannot be made: {exc.strerror}") from exc
        path = self._folder / f"{int(after.at * 1000)}.rec"
        self._writer = RecordingWriter(path, version=__version__, at=after.at)
        if not self._files:
            self._files.extend(older for older in _retained(self._folder) if older != path)
        self._files.append(path)
        self._writer.write(after)
        while len(self._files) > self._keep:
            _remove(self._files.popleft())


def _retained(folder: Path) -> list[Path]:
    """The recordings of the folder, oldest first: their names are the milliseconds at which they began."""
    return sorted((file for file in folder.glob("*.rec") if file.stem.isdigit()), key=lambda file: int(file.stem))


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise RecordingError(f"{path}: cannot be removed: {exc.strerror}") from exc
