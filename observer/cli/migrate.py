"""``observer migrate``."""

from __future__ import annotations

from typing import Any

from observer.config.settings.model import Settings


def upgrade(settings: Settings) -> tuple[dict[str, Any], str]:
    """Run the migrations; returns what ``--json`` and the terminal show."""
    from observer.app import migrate_journal

    revision = migrate_journal(settings)
    return {"revision": revision}, f"the journal is at schema {revision}"
