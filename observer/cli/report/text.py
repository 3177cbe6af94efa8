"""The summary for a terminal or a mail without markup."""

from __future__ import annotations

from collections.abc import Iterable

from observer.cli.moments import instant
from observer.cli.paint import PLAIN, Paint, Tone, harmless
from observer.cli.report import words
from observer.domain.summary import HealthSummary

INDENT = "  "
ARROW = "-> "


def text(found: HealthSummary, paint: Paint = PLAIN) -> str:
    """The whole, one fact a line; sections without a fact say so or are left out."""
    lines = [
        paint(words.title(found), Tone.BOLD),
        f"{instant(found.since)} to {instant(found.until)} UTC; {words.modes(found)}",
        paint(words.headline(found), Tone.WARN if found.action_required else Tone.BOLD),
    ]
    for head, rows in sections(found, paint):
        lines += ["", paint(head, Tone.BOLD), *(INDENT + row for row in rows)]
    return "\n".join(lines)


def sections(found: HealthSummary, paint: Paint) -> Iterable[tuple[str, list[str]]]:
    """Heads with their lines."""
    yield "Wants of you", _wishes(found, paint) or ["nothing"]
    yield "Was hurt", _harms(found, paint) or ["nobody that Observer saw"]
    if found.budgets:
        yield "Budgets", _budgets(found, paint)
    yield "Did", _deeds(found, paint) or ["nothing"]
    if found.blocked:
        yield (
            "Held back",
            [
                f"{paint(one.reason.replace('_', ' '), Tone.WARN)}: {harmless(words.restraint(one))}"
                for one in found.blocked
            ],
        )
    blind = [f"{paint(harmless(one.cause), Tone.WARN)}: {words.blindness(one)}" for one in found.blindness]
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


def _wishes(found: HealthSummary, paint: Paint) -> list[str]:
    lines = []
    for one in found.action_required:
        lines.append(f"{paint(one.kind, Tone.BAD)}  {harmless(one.text)}  (since {instant(one.at)} UTC)")
        if command := words.command(one.kind, one.subject):
            lines.append(f"  {ARROW}{harmless(command)}")
    return lines


def _harms(found: HealthSummary, paint: Paint) -> list[str]:
    lines = [
        f"{paint(harmless(one.subject), Tone.BAD if one.closed is None else Tone.BOLD)} {words.harm(one, found.until)}"
        for one in found.impacts
    ]
    return lines + [f"{paint(harmless(one.subject), Tone.WARN)}: {harmless(one.text)}" for one in found.troubles]


def _budgets(found: HealthSummary, paint: Paint) -> list[str]:
    loud, others = words.quiet_budgets(found.budgets)
    lines = []
    for one in loud:
        tone = Tone.BAD if one.remaining is not None and one.remaining <= 0 else Tone.BOLD
        lines.append(f"{paint(harmless(one.name), tone)} {words.budget(one)}")
    rest = f"{words.counted(others, 'objective')} lost nothing"
    return [*lines, *([rest] if others else [])]


def _deeds(found: HealthSummary, paint: Paint) -> list[str]:
    tones = {True: Tone.GOOD, False: Tone.BAD, None: Tone.BOLD}
    return [
        f"{instant(one.at)}  {paint(harmless(one.subject), tones[one.helped])} {harmless(words.deed(one))}"
        for one in found.interventions
    ]
