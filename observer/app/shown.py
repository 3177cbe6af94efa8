"""What people and programs read: the board that is drawn after each tick, its answers, and the stream of its news."""

from __future__ import annotations

from typing import TYPE_CHECKING

from observer.app.outlets import links_of
from observer.config.settings.model import Settings

if TYPE_CHECKING:
    from observer.journal.store import SqlJournal
    from observer.ports.sources import Clock
    from observer.runtime.state import LoopStatus
    from observer.telemetry.metrics import SelfMetrics
    from observer.web.queries import Queries, ViewCache
    from observer.web.stream import Stream


def show(
    settings: Settings, loop_status: LoopStatus, clock: Clock, journal: SqlJournal, metrics: SelfMetrics
) -> tuple[ViewCache, Queries, Stream]:
    """What draws the picture after each tick, what people read of it, and what tells them to read again."""
    from observer.web.page.render import built
    from observer.web.queries import Queries, ViewCache
    from observer.web.stream import Stream

    board = ViewCache(loop_status, clock)
    stream = Stream(board, counted=metrics.stream)
    reading = Queries(
        board, journal.archive, clock, links_of=links_of(settings), plots=built(), listeners=stream.listeners
    )
    return board, reading, stream
