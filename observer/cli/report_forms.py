"""The health summary in its forms: sentences first, then text, HTML, a Slack message, and what receivers get."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Required, TypedDict

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from observer.app import Outgoing
from observer.cli.moments import instant, span
from observer.cli.output import PLAIN, Paint, Tone, harmless
from observer.domain.summary import Blindness, BudgetUse, Deed, Harm, HealthSummary, Restraint
from observer.engine.explain import percent

INDENT: Final = "  "
ARROW: Final = "-> "
MOST_CHARACTERS: Final = 2900
"""Slack refuses a section of more than 3 000."""
MOST_ROWS: Final = 15
_EXPLAINED: Final = frozenset({"pod", "revision", "node", "zone", "workload"})


def title(found: HealthSummary) -> str:
    """What it is and of which time."""
    return f"Observer health summary of {span(found.until - found.since)}"


def modes(found: HealthSummary) -> str:
    """In which mode things were decided."""
    return ", ".join(found.modes) or "no decision"


def headline(found: HealthSummary) -> str:
    """The whole in one sentence, the most urgent first."""
    parts = []
    if found.wishes:
        parts.append(f"{counted(len(found.wishes), 'thing')} {'waits' if len(found.wishes) == 1 else 'wait'} for you")
    parts.append(_incidents(found.harms))
    parts += _outcomes(found.deeds)
    if found.troubles:
        parts.append(f"{counted(len(found.troubles), 'service')} in trouble with nobody to remove")
    if lost := sum(one.seconds for one in found.blindness):
        parts.append(f"blind for {span(lost)}")
    if not found.decisions and not found.harms:
        parts = ["nothing was recorded: no proof that all was well"]
    if overdrawn := sum(one.overdrawn for one in found.budgets):
        parts.append(f"{counted(overdrawn, 'budget')} overdrawn")
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def harm(one: Harm, until: float) -> str:
    """How badly, for how long, and how it ended."""
    lasted = span((one.closed or until) - one.opened)
    what = {"errors": "failed", "latency": "was slow for", "unreached": "was not reached for"}.get(one.symptom, "hurt")
    rates = (
        f"{what} {percent(one.bad_rate)} of {one.requests:.0f} requests, its siblings {percent(one.sibling_bad_rate)}"
    )
    ended = one.outcome.replace("_", " ")
    return f"{rates}; {'open for' if one.closed is None else 'over after'} {lasted}: {ended}"


def budget(one: BudgetUse) -> str:
    """What went and what is left."""
    events = f"{one.bad:.0f} of {one.total:.0f} events bad"
    if one.spent is None or one.remaining is None or one.target is None:
        return f"{events}; target not known"
    left = f"overdrawn by {percent(-one.remaining)}" if one.overdrawn else f"{percent(one.remaining)} left"
    return f"spent {percent(one.spent)} of its budget, {left} ({events}, target {100 * one.target:g} %)"


def quiet_budgets(found: Sequence[BudgetUse]) -> tuple[list[BudgetUse], int]:
    """Those that lost something or are overdrawn, and how many others there are."""
    loud = [one for one in found if one.bad > 0 or (one.remaining is not None and one.remaining <= 0)]
    return loud, len(found) - len(loud)


def deed(one: Deed) -> str:
    """What was done and whether it helped."""
    steps = ", ".join(one.steps)
    if one.would:
        return f"would have been {steps}; {one.result}"
    helped = {True: "it helped", False: "it did not help", None: "whether it helped is not known"}[one.helped]
    if one.helped is None and one.result in {"acquitted", "ended by itself"}:
        helped = "nobody was removed"
    return f"{steps}; {helped} ({one.result})"


def restraint(one: Restraint) -> str:
    """How often a brake held, and an example."""
    still = ", and holds still" if one.standing else ""
    return f"in {counted(one.incidents, 'incident')}{still}; for example {one.subject}: {one.detail}"


def blindness(one: Blindness) -> str:
    """How long it saw nothing."""
    times = "once" if one.times == 1 else f"{one.times} times"
    return f"{span(one.seconds)}, {times}{', and now' if one.lasting else ''}"


def counted(number: int, word: str) -> str:
    """``1 incident``, ``3 incidents``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def command_for(kind: str, subject: str) -> str:
    """What to type to learn more about something; empty where there is no such command."""
    if kind == "repair":
        return "observer doctor" if subject == "observer" else ""
    word, _, name = subject.partition(" ")
    return f"observer why {word}/{name}" if name and word in _EXPLAINED else ""


def _incidents(harms: Sequence[Harm]) -> str:
    still = sum(1 for one in harms if one.closed is None)
    if not harms:
        return "no incident"
    return f"{counted(len(harms), 'incident')}, {still} still open" if still else counted(len(harms), "incident")


def _outcomes(deeds: Sequence[Deed]) -> list[str]:
    done = [one for one in deeds if not one.would]
    tried = [one for one in deeds if one.would]
    parts = []
    for helped, words in ((True, "helped"), (False, "did not help"), (None, "without a removal or a verdict")):
        if number := sum(1 for one in done if one.helped is helped):
            parts.append(f"{number} {words}")
    found = [f"{counted(len(done), 'intervention')}: {', '.join(parts)}"] if done else []
    return [*found, *([f"{counted(len(tried), 'intervention')} only told, nothing written"] if tried else [])]


def text(found: HealthSummary, paint: Paint = PLAIN) -> str:
    """The whole, one fact a line; sections without a fact say so or are left out."""
    lines = [
        paint(title(found), Tone.BOLD),
        f"{instant(found.since)} to {instant(found.until)} UTC; {modes(found)}",
        paint(headline(found), Tone.WARN if found.wishes else Tone.BOLD),
    ]
    for head, rows in sections(found, paint):
        lines += ["", paint(head, Tone.BOLD), *(INDENT + row for row in rows)]
    return "\n".join(lines)


def sections(found: HealthSummary, paint: Paint) -> Iterable[tuple[str, list[str]]]:
    """Heads with their lines."""
    yield "Wants of you", _request_rows(found, paint) or ["nothing"]
    yield "Was hurt", _impact_rows(found, paint) or ["nobody that Observer saw"]
    if found.budgets:
        yield "Budgets", _budget_rows(found, paint)
    yield "Did", _intervention_rows(found, paint) or ["nothing"]
    if found.restraints:
        yield (
            "Held back",
            [
                f"{paint(one.reason.replace('_', ' '), Tone.WARN)}: {harmless(restraint(one))}"
                for one in found.restraints
            ],
        )
    blind = [f"{paint(harmless(one.cause), Tone.WARN)}: {blindness(one)}" for one in found.blindness]
    saw = "no blindness was recorded" if found.decisions else "not known: nothing was recorded"
    yield "Could not see", blind or [saw]
    if found.notes:
        yield "Not known", [harmless(note) for note in found.notes]


def with_commands(rows: list[str]) -> list[tuple[str, str]]:
    """Rows with the command that the next row names, empty where none does."""
    found: list[tuple[str, str]] = []
    for row in rows:
        if row.strip().startswith(ARROW) and found:
            found[-1] = (found[-1][0], row.strip().removeprefix(ARROW))
        else:
            found.append((row, ""))
    return found


def _request_rows(found: HealthSummary, paint: Paint) -> list[str]:
    lines = []
    for one in found.wishes:
        lines.append(f"{paint(one.kind, Tone.BAD)}  {harmless(one.text)}  (since {instant(one.at)} UTC)")
        if command := command_for(one.kind, one.subject):
            lines.append(f"  {ARROW}{harmless(command)}")
    return lines


def _impact_rows(found: HealthSummary, paint: Paint) -> list[str]:
    lines = [
        f"{paint(harmless(one.subject), Tone.BAD if one.closed is None else Tone.BOLD)} {harm(one, found.until)}"
        for one in found.harms
    ]
    return lines + [f"{paint(harmless(one.subject), Tone.WARN)}: {harmless(one.text)}" for one in found.troubles]


def _budget_rows(found: HealthSummary, paint: Paint) -> list[str]:
    loud, others = quiet_budgets(found.budgets)
    lines = []
    for one in loud:
        tone = Tone.BAD if one.remaining is not None and one.remaining <= 0 else Tone.BOLD
        lines.append(f"{paint(harmless(one.name), tone)} {budget(one)}")
    rest = f"{counted(others, 'objective')} lost nothing"
    return [*lines, *([rest] if others else [])]


def _intervention_rows(found: HealthSummary, paint: Paint) -> list[str]:
    tones = {True: Tone.GOOD, False: Tone.BAD, None: Tone.BOLD}
    return [
        f"{instant(one.at)}  {paint(harmless(one.subject), tones[one.helped])} {harmless(deed(one))}"
        for one in found.deeds
    ]


def html(found: HealthSummary) -> str:
    """The document; every word of others is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html.j2").render(
        title=title(found),
        since=instant(found.since),
        until=instant(found.until),
        modes=modes(found),
        headline=headline(found),
        asks=bool(found.wishes),
        sections=[(head, with_commands(rows)) for head, rows in sections(found, PLAIN)],
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


def slack(found: HealthSummary) -> SlackMessage:
    """The body for ``chat.postMessage`` or an incoming webhook; ``text`` is what a notification shows."""
    head = f"{instant(found.since)} to {instant(found.until)} UTC; {modes(found)}"
    blocks: list[SlackBlock] = [
        {"type": "header", "text": {"type": "plain_text", "text": title(found)}},
        _slack_section(f"*{escaped(headline(found))}*\n{escaped(head)}"),
    ]
    for name, rows in sections(found, PLAIN):
        blocks += [{"type": "divider"}, _slack_section(_slack_list(name, rows))]
    return {"text": escaped(f"{title(found)}: {headline(found)}"), "blocks": blocks}


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


def outgoing(found: HealthSummary) -> Outgoing:
    """The summary for a receiver of notifications; it is a warning while something waits for a person."""
    rows = [row.strip() for head, lines in sections(found, PLAIN) for row in (f"{head}:", *lines)]
    return Outgoing(
        title=title(found),
        severity="warning" if found.wishes else "info",
        blocks=slack(found),
        body=body(found),
        lines=[headline(found), *rows],
    )


def body(found: HealthSummary) -> dict[str, object]:
    return {"headline": headline(found), **msgspec.to_builtins(found)}
