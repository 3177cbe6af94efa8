"""The summary in the form that was asked for."""

from __future__ import annotations

from typing import Any

import msgspec

from observer.app import Outgoing
from observer.cli.output import ReportForm
from observer.cli.paint import PLAIN, Paint
from observer.cli.report import words
from observer.domain.summary import HealthSummary


def written(found: HealthSummary, form: ReportForm, paint: Paint) -> str:
    """The summary in one of its forms."""
    if form is ReportForm.HTML:
        from observer.cli.report.html import html

        return html(found)
    if form is ReportForm.SLACK:
        from observer.cli.report.slack import slack

        return _json(slack(found))
    if form is ReportForm.JSON:
        return _json(_body(found))
    from observer.cli.report.text import text

    return text(found, paint)


def outgoing(found: HealthSummary) -> Outgoing:
    """The summary for a receiver of notifications; it is a warning while something waits for a person."""
    from observer.cli.report.slack import slack
    from observer.cli.report.text import sections

    rows = [row.strip() for head, lines in sections(found, PLAIN) for row in (f"{head}:", *lines)]
    return Outgoing(
        title=words.title(found),
        severity="warning" if found.action_required else "info",
        blocks=slack(found),
        body=_body(found),
        lines=[words.headline(found), *rows],
    )


def _body(found: HealthSummary) -> dict[str, Any]:
    return {"headline": words.headline(found), **msgspec.to_builtins(found)}


def _json(body: object) -> str:
    return msgspec.json.format(msgspec.json.encode(body), indent=1).decode()
