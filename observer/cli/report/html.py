"""The summary as one HTML document without scripts or anything fetched from elsewhere, for mail and archives."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from observer.cli.moments import instant
from observer.cli.paint import PLAIN
from observer.cli.report import words
from observer.cli.report.text import sections, with_commands
from observer.domain.summary import HealthSummary


def html(found: HealthSummary) -> str:
    """The document; every word of others is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.j2").render(
        title=words.title(found),
        since=instant(found.since),
        until=instant(found.until),
        modes=words.modes(found),
        headline=words.headline(found),
        asks=bool(found.action_required),
        sections=[(head, with_commands(rows)) for head, rows in sections(found, PLAIN)],
    )
