"""The summary in the form that was asked for."""

from __future__ import annotations

import msgspec

from observer.cli.output import ReportForm
from observer.cli.paint import Paint
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
        return _json({"headline": words.headline(found), **msgspec.to_builtins(found)})
    from observer.cli.report.text import text

    return text(found, paint)


def _json(body: object) -> str:
    return msgspec.json.format(msgspec.json.encode(body), indent=1).decode()
