"""``observer report``: the health summary of a span of time, from the journal and, where it answers, the daemon."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from observer.app.commands import now, open_journal
from observer.app.notifications import send_report
from observer.cli.application import CaFile, Config, Json, TokenFile, Url, app, awaited, client_from, settings_from
from observer.cli.failures import ApiError
from observer.cli.moments import instant
from observer.cli.moments import since as instant_of
from observer.cli.output import EXIT_BAD_INPUT, PLAIN, Paint, fail, json_text, paint_for, show
from observer.domain.errors import ConfigError
from observer.domain.slo import RollingWindow
from observer.domain.summary import HealthSummary

if TYPE_CHECKING:
    from observer.cli.api_client import ApiClient
    from observer.config.openslo.wanted import ObjectiveSet
    from observer.config.settings.model import Settings


MOST: Final = 20_000
"""Decisions that are read at most, the newest."""
LONGEST_PERIOD: Final = 372 * 86_400.0


class ReportForm(StrEnum):
    """How ``observer report`` writes."""

    TEXT = "text"
    HTML = "html"
    SLACK = "slack"
    JSON = "json"


@app.command()
def report(
    *,
    since: Annotated[
        str, typer.Option("--since", help="How far back: a duration (24h, 7d) or an instant with its zone.")
    ] = "24h",
    form: Annotated[ReportForm, typer.Option("--format", help="How it is written.")] = ReportForm.TEXT,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write a file instead of printing.")] = None,
    send: Annotated[
        str, typer.Option("--send", help="Send it to the receiver of this name under `notify` of the settings.")
    ] = "",
    url: Url = "",
    token_file: TokenFile = "",
    ca_file: CaFile = "",
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Summarise impact, budgets and actions: what users suffered, what Observer did and whether it helped, which actions
    were blocked and why, what a person has to do, and how long data was incomplete; from the journal.
    """
    from observer.cli import report_forms as forms

    if json and form not in (ReportForm.TEXT, ReportForm.JSON):
        fail(f"--json and --format {form} contradict each other", EXIT_BAD_INPUT, "leave one of them out")
    settings, at = settings_from(config), now()
    client = client_from(settings, url, token_file, ca_file)
    summary = awaited(gather(settings, instant_of(since, at), at, client))
    paint = paint_for(sys.stdout) if out is None else PLAIN
    text = written(summary, ReportForm.JSON if json else form, paint)
    if send:
        awaited(send_report(settings, send, forms.outgoing(summary)))
        show(None, f"sent to {send}", json=False)
    elif out is None:
        show(None, text, json=False)
    else:
        _save(out, text)


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as exc:
        fail(
            f"--out: {path} cannot be written: {exc.strerror}", EXIT_BAD_INPUT, "name a file in a folder that is there"
        )


def written(summary: HealthSummary, form: ReportForm, paint: Paint) -> str:
    """The summary in one of its forms."""
    from observer.cli import report_forms as forms

    match form:
        case ReportForm.HTML:
            return forms.html(summary)
        case ReportForm.SLACK:
            return json_text(forms.slack(summary))
        case ReportForm.JSON:
            return json_text(forms.body(summary))
        case ReportForm.TEXT:
            return forms.text(summary, paint)


async def gather(settings: Settings, since: float, until: float, client: ApiClient) -> HealthSummary:
    """The summary of ``since`` to ``until`` (Unix seconds). Raises: JournalUnavailable."""
    from observer.config.openslo.wanted import recalled
    from observer.engine.summary import Records, summarize

    objectives, notes = _objectives(settings, until)
    async with open_journal(settings) as journal:
        incidents = await journal.incidents(since=since)
        decisions = await journal.decisions(since=since, limit=MOST)
        own = await journal.decisions(subject="observer", limit=MOST)
        ledger = await journal.ledger(since)
        counts = await journal.counts.counts(min(since, until - _longest(objectives)), until)
    if len(decisions) == MOST:
        notes.append(f"more than {MOST} decisions: only those since {instant(decisions[0].at)} UTC were read")
    recalled_objectives = recalled(objectives, {count.objective for count in counts})
    gone = len({count.objective for count in counts if count.end > since} - recalled_objectives.keys())
    if gone:
        notes.append(f"{gone} objectives were counted that no document of today names: their targets are not known")
    notes += await _daemon(client)
    return summarize(Records(incidents, decisions, own, ledger, counts, recalled_objectives), since, until, notes)


def _objectives(settings: Settings, at: float) -> tuple[ObjectiveSet, list[str]]:
    from observer.config.openslo.wanted import ObjectiveSet
    from observer.config.reload import rules_of

    try:
        return rules_of(settings, at).objectives, []
    except ConfigError as exc:
        first = str(exc).partition("\n")[0]
        return ObjectiveSet(), [f"policies and objectives cannot be read, so no budget has a target: {first}"]


def _longest(objectives: ObjectiveSet) -> float:
    """Seconds that the longest window of any objective reaches back."""
    parts = (part for template in objectives.templates for part in template.parts)
    windows = [objective.window for objective in (*objectives.plain, *parts)]
    spans = [window.seconds if isinstance(window, RollingWindow) else LONGEST_PERIOD for window in windows]
    return max(spans, default=0.0)


async def _daemon(client: ApiClient) -> Sequence[str]:
    """What the running daemon says of itself; that it does not answer is worth a note, not an error."""
    from observer.web.models.answers import Status

    try:
        status = await client.get("/api/v1/status", Status)
    except ApiError as exc:
        return [f"the daemon did not answer, so whether it watches now is not known: {exc}"]
    notes = []
    if status.paused:
        notes.append(f"all actions are paused now: {status.paused_reason or 'no reason given'}")
    if status.halted:
        notes.append(f"halted after a broken invariant; no actions: {status.halted}")
    open_circuits = [circuit for circuit in status.circuits if circuit.state == "open"]
    return [*notes, *(f"{it.source} is not asked now, its circuit is open: {it.reason}" for it in open_circuits)]
