"""The health summary in its forms: sentences first, then text, HTML, a Slack message, and what receivers get."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Required, TypedDict

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from observer.app.notifications import Outgoing
from observer.cli.moments import instant, span
from observer.cli.output import PLAIN, Paint, Tone, harmless
from observer.domain.summary import Blindness, BlockedAction, BudgetUse, HealthSummary, Impact, Intervention
from observer.engine.messages.wording import percent

INDENT: Final = "  "
ARROW: Final = "-> "
MOST_CHARACTERS: Final = 2900
"""Slack refuses a section of more than 3 000."""
MOST_ROWS: Final = 15
_EXPLAINED: Final = frozenset({"pod", "revision", "node", "zone", "workload"})


def title(summary: HealthSummary) -> str:
    """What it is and of which time."""
    return f"Observer health summary of {span(summary.until - summary.since)}"


def modes(summary: HealthSummary) -> str:
    """In which mode things were decided."""
    return ", ".join(summary.modes) or "no decision"


def headline(summary: HealthSummary) -> str:
    """The whole in one sentence, the most urgent first."""
    parts = []
    if summary.action_required:
        parts.append(f"action required: {len(summary.action_required)}")
    parts.append(_incidents(summary.impacts))
    parts += _outcomes(summary.interventions)
    if summary.troubles:
        parts.append(f"{counted(len(summary.troubles), 'service')} in trouble without a pod to replace")
    if lost := sum(outage.seconds for outage in summary.blindness):
        parts.append(f"data incomplete for {span(lost)}")
    if not summary.decisions and not summary.impacts:
        parts = ["nothing was recorded: no proof that all was well"]
    if overdrawn := sum(budget.overdrawn for budget in summary.budgets):
        parts.append(f"{counted(overdrawn, 'budget')} overdrawn")
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def impact_text(impact: Impact, until: float) -> str:
    """How badly, for how long, and how it ended."""
    lasted = span((impact.closed or until) - impact.opened)
    what = {"latency": "was slow for", "unreached": "was not reached for"}.get(impact.symptom, "failed")
    share, others = percent(impact.bad_rate), percent(impact.peer_bad_rate)
    rates = f"{what} {share} of {impact.requests:.0f} requests, other replicas {others}"
    ended = impact.outcome.replace("_", " ")
    return f"{rates}; {'open for' if impact.closed is None else 'over after'} {lasted}: {ended}"


def budget_text(budget: BudgetUse) -> str:
    """What went and what is left."""
    events = f"{budget.bad:.0f} of {budget.total:.0f} events bad"
    if budget.spent is None or budget.remaining is None or budget.target is None:
        return f"{events}; target not known"
    left = f"overdrawn by {percent(-budget.remaining)}" if budget.overdrawn else f"{percent(budget.remaining)} left"
    return f"spent {percent(budget.spent)} of its budget, {left} ({events}, target {100 * budget.target:g} %)"


def quiet_budgets(budgets: Sequence[BudgetUse]) -> tuple[list[BudgetUse], int]:
    """Those that lost something or are overdrawn, and how many others there are."""
    loud = [budget for budget in budgets if budget.bad > 0 or (budget.remaining is not None and budget.remaining <= 0)]
    return loud, len(budgets) - len(loud)


def intervention_text(intervention: Intervention) -> str:
    """What was done and whether it helped."""
    steps = ", ".join(intervention.steps)
    if intervention.would:
        return f"would have been {steps}; {intervention.result}"
    helped = {True: "it helped", False: "it did not help", None: "whether it helped is not known"}[intervention.helped]
    if intervention.helped is None and intervention.result in {"cleared", "ended by itself"}:
        helped = "no pod was replaced"
    return f"{steps}; {helped} ({intervention.result})"


def block_text(block: BlockedAction) -> str:
    """How often a guard blocked, and an example."""
    still = ", still blocked" if block.standing else ""
    return f"in {counted(block.incidents, 'incident')}{still}; for example {block.subject}: {block.detail}"


def outage_text(outage: Blindness) -> str:
    """How long its data was incomplete."""
    times = "once" if outage.times == 1 else f"{outage.times} times"
    return f"{span(outage.seconds)}, {times}{', and now' if outage.lasting else ''}"


def counted(number: int, word: str) -> str:
    """``1 incident``, ``3 incidents``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def command_for(kind: str, subject: str) -> str:
    """What to type to learn more about something; empty where there is no such command."""
    if kind == "repair":
        return "observer doctor" if subject == "observer" else ""
    word, _, name = subject.partition(" ")
    return f"observer why {word}/{name}" if name and word in _EXPLAINED else ""


def _incidents(impacts: Sequence[Impact]) -> str:
    still = sum(1 for impact in impacts if impact.closed is None)
    if not impacts:
        return "no incident"
    return f"{counted(len(impacts), 'incident')}, {still} still open" if still else counted(len(impacts), "incident")


def _outcomes(interventions: Sequence[Intervention]) -> list[str]:
    done = [intervention for intervention in interventions if not intervention.would]
    tried = [intervention for intervention in interventions if intervention.would]
    parts = []
    for helped, words in ((True, "helped"), (False, "did not help"), (None, "without a replacement or a verdict")):
        if number := sum(1 for intervention in done if intervention.helped is helped):
            parts.append(f"{number} {words}")
    outcomes = [f"{counted(len(done), 'intervention')}: {', '.join(parts)}"] if done else []
    return [
        *outcomes,
        *([f"{counted(len(tried), 'intervention')} in shadow or dry run, nothing written"] if tried else []),
    ]


def text(summary: HealthSummary, paint: Paint = PLAIN) -> str:
    """The whole, one fact a line; sections without a fact say so or are left out."""
    lines = [
        paint(title(summary), Tone.BOLD),
        f"{instant(summary.since)} to {instant(summary.until)} UTC; {modes(summary)}",
        paint(headline(summary), Tone.WARN if summary.action_required else Tone.BOLD),
    ]
    for head, rows in sections(summary, paint):
        lines += ["", paint(head, Tone.BOLD), *(INDENT + row for row in rows)]
    return "\n".join(lines)


def sections(summary: HealthSummary, paint: Paint) -> Iterable[tuple[str, list[str]]]:
    """Heads with their lines."""
    yield "Action required", _request_rows(summary, paint) or ["none"]
    yield "User impact", _impact_rows(summary, paint) or ["none observed"]
    if summary.budgets:
        yield "Budgets", _budget_rows(summary, paint)
    yield "Interventions", _intervention_rows(summary, paint) or ["none"]
    if summary.blocked:
        yield "Actions blocked, by guard", _blocked_rows(summary, paint)
    outages = [f"{paint(harmless(outage.cause), Tone.WARN)}: {outage_text(outage)}" for outage in summary.blindness]
    none = "never" if summary.decisions else "not known: nothing was recorded"
    yield "Data incomplete", outages or [none]
    if summary.notes:
        yield "Not known", [harmless(note) for note in summary.notes]


def with_commands(rows: list[str]) -> list[tuple[str, str]]:
    """Rows with the command that the next row names, empty where none does."""
    paired: list[tuple[str, str]] = []
    for row in rows:
        if row.strip().startswith(ARROW) and paired:
            paired[-1] = (paired[-1][0], row.strip().removeprefix(ARROW))
        else:
            paired.append((row, ""))
    return paired


def _request_rows(summary: HealthSummary, paint: Paint) -> list[str]:
    lines = []
    for request in summary.action_required:
        lines.append(f"{paint(request.kind, Tone.BAD)}  {harmless(request.text)}  (since {instant(request.at)} UTC)")
        if command := command_for(request.kind, request.subject):
            lines.append(f"  {ARROW}{harmless(command)}")
    return lines


def _blocked_rows(summary: HealthSummary, paint: Paint) -> list[str]:
    words = ((block.reason.replace("_", " "), block) for block in summary.blocked)
    return [f"{paint(reason, Tone.WARN)}: {harmless(block_text(block))}" for reason, block in words]


def _impact_rows(summary: HealthSummary, paint: Paint) -> list[str]:
    lines = []
    for impact in summary.impacts:
        tone = Tone.BAD if impact.closed is None else Tone.BOLD
        lines.append(f"{paint(harmless(impact.subject), tone)} {impact_text(impact, summary.until)}")
    troubles = summary.troubles
    return [*lines, *(f"{paint(harmless(it.subject), Tone.WARN)}: {harmless(it.text)}" for it in troubles)]


def _budget_rows(summary: HealthSummary, paint: Paint) -> list[str]:
    loud, others = quiet_budgets(summary.budgets)
    lines = []
    for budget in loud:
        tone = Tone.BAD if budget.remaining is not None and budget.remaining <= 0 else Tone.BOLD
        lines.append(f"{paint(harmless(budget.name), tone)} {budget_text(budget)}")
    rest = f"{counted(others, 'objective')} lost nothing"
    return [*lines, *([rest] if others else [])]


def _intervention_rows(summary: HealthSummary, paint: Paint) -> list[str]:
    tones = {True: Tone.GOOD, False: Tone.BAD, None: Tone.BOLD}
    lines = []
    for intervention in summary.interventions:
        subject = paint(harmless(intervention.subject), tones[intervention.helped])
        lines.append(f"{instant(intervention.at)}  {subject} {harmless(intervention_text(intervention))}")
    return lines


def html(summary: HealthSummary) -> str:
    """The document; every word of others is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html.j2").render(
        title=title(summary),
        since=instant(summary.since),
        until=instant(summary.until),
        modes=modes(summary),
        headline=headline(summary),
        required=bool(summary.action_required),
        sections=[(head, with_commands(rows)) for head, rows in sections(summary, PLAIN)],
    )


class SlackText(TypedDict):
    """A text of Block Kit."""

    type: str
    text: str


class SlackBlock(TypedDict, total=False):
    """A header, a section, or a divider, which has no text."""

    type: Required[str]
    text: SlackText


class SlackMessage(TypedDict):
    """``text`` is what a notification shows."""

    text: str
    blocks: list[SlackBlock]


def slack(summary: HealthSummary) -> SlackMessage:
    """The body for ``chat.postMessage`` or an incoming webhook; ``text`` is what a notification shows."""
    head = f"{instant(summary.since)} to {instant(summary.until)} UTC; {modes(summary)}"
    blocks: list[SlackBlock] = [
        {"type": "header", "text": {"type": "plain_text", "text": title(summary)}},
        _slack_section(f"*{escaped(headline(summary))}*\n{escaped(head)}"),
    ]
    for name, rows in sections(summary, PLAIN):
        blocks += [{"type": "divider"}, _slack_section(_slack_list(name, rows))]
    return {"text": escaped(f"{title(summary)}: {headline(summary)}"), "blocks": blocks}


def escaped(text: str) -> str:
    """Words of others as they stand: no mention, link or mark-up comes of them."""
    plain = harmless(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\u200b{char}" if char in "*_~`" else char for char in plain)


def _slack_section(text: str) -> SlackBlock:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _slack_list(name: str, rows: list[str]) -> str:
    lines = [f"*{name}*"]
    size = len(lines[0])
    paired = with_commands(rows)
    for place, (row, command) in enumerate(paired):
        line = f"\u2022 {escaped(row[:500])}" + (f" ({escaped(command)})" if command else "")
        if place == MOST_ROWS or size + len(line) > MOST_CHARACTERS:
            return "\n".join([*lines, f"\u2026 and {len(paired) - place} more; `observer report` has them all"])
        lines.append(line)
        size += len(line) + 1
    return "\n".join(lines)


def outgoing(summary: HealthSummary) -> Outgoing:
    """The summary for a receiver of notifications; it is a warning while something waits for a person."""
    rows = [row.strip() for head, lines in sections(summary, PLAIN) for row in (f"{head}:", *lines)]
    return Outgoing(
        title=title(summary),
        severity="warning" if summary.action_required else "info",
        blocks=slack(summary),
        body=body(summary),
        lines=[headline(summary), *rows],
    )


def body(summary: HealthSummary) -> dict[str, object]:
    """For machines: the summary and its headline."""
    return {"headline": headline(summary), **msgspec.to_builtins(summary)}
