"""``observer migrate``: the journal's schema."""

from __future__ import annotations

from observer.app.commands import migrate_journal
from observer.cli.application import Config, Json, app, settings_from
from observer.cli.output import show


@app.command()
def migrate(config: Config = None, json: Json = False) -> None:
    """Bring the journal's schema to this version."""
    revision = migrate_journal(settings_from(config))
    show({"revision": revision}, f"the journal is at schema {revision}", json=json)
