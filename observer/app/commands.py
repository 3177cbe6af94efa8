"""
Puts the house together. The only package that names concrete classes.

They are imported inside the factories, so that a command loads only what it uses: ``check`` and ``--help`` load no
Kubernetes client. Here stands what commands ask for; ``cluster_access`` makes what writes, ``sources`` what looks,
``notifications`` who hears of it, ``web`` the page and the webhook, ``daemon`` the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from observer.app.cluster_access import cluster as make_cluster
from observer.app.cluster_access import connected, journal, journal_named, journal_url
from observer.app.daemon import WARM_SECONDS

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.domain.cluster import ClusterView
    from observer.domain.outcome import Outcome
    from observer.journal.store import SqlJournal
    from observer.kube.client import KubeApi
    from observer.sinks.audit import AuditReport


def now() -> float:
    """The present instant, Unix seconds, for commands that need it once."""
    from observer.runtime.clock import SystemClock

    return SystemClock().now()


async def look_at_cluster(settings: Settings) -> ClusterView:
    """One picture of the cluster for a command. Raises ``SourceUnavailable`` where not everything could be listed."""
    from observer.domain.errors import SourceUnavailable
    from observer.runtime.clock import SystemClock

    clock = SystemClock()
    async with connected(settings) as api, asyncio.TaskGroup() as group:
        await api.open()
        cluster = make_cluster(settings, api, clock)
        watching = group.create_task(cluster.run())
        synced = await cluster.synced(WARM_SECONDS)
        view = cluster.view(clock.now())
        watching.cancel()
    if not synced:
        raise SourceUnavailable("kubernetes: not every kind could be listed; observer doctor says which")
    return view


@asynccontextmanager
async def open_journal(settings: Settings) -> AsyncIterator[SqlJournal]:
    """The journal for reading by a command, closed afterwards. Raises: JournalUnavailable when there is none yet."""
    from observer.journal.database import must_exist

    must_exist(journal_url(settings))
    opened = await journal(settings)
    try:
        with journal_named(settings):
            yield opened
    finally:
        await opened.close()


def migrate_journal(settings: Settings) -> str:
    """Bring the journal's schema up to date; returns its revision."""
    from observer.journal.database import migrate

    with journal_named(settings):
        return migrate(journal_url(settings))


async def restore_pods(api: KubeApi, *, now: float, force: bool, only: str | None) -> Sequence[tuple[str, Outcome]]:
    """Restore what Observer drained; see ``actuators.restore``."""
    from observer.actuators.restore import restore_expired

    return await restore_expired(api, now, force=force, only=only)


def trail_files(settings: Settings) -> Sequence[Path]:
    """The files of the audit trail that exist, oldest first."""
    from observer.sinks import audit

    return audit.trail_files(Path(settings.audit))


def is_foreign(file: Path) -> bool:
    """Whether no line of the file is of an audit trail; see ``sinks.audit``. Raises: OSError."""
    from observer.sinks import audit

    return audit.is_foreign(file)


def verify_trail(files: Sequence[Path], *, partial: bool, contains: str) -> AuditReport:
    """Whether the audit trail is whole; see ``sinks.audit``. Raises: OSError when a file cannot be read."""
    from observer.sinks import audit

    return audit.verify(*files, partial=partial, contains=contains)
