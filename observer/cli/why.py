"""``observer why KIND/NAME``: every decision about it, from the journal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from observer.app.commands import open_journal
from observer.cli.application import Config, Json, app, awaited, settings_from
from observer.cli.completion import namespaces, subjects
from observer.cli.moments import instant
from observer.cli.output import EXIT_NOT_FOUND, PLAIN, Paint, Tone, paint_for, show
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import ConfigError
from observer.domain.reasons import page_of

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.domain.attribution import Attribution

_CAUSES = 4
"""Causes that the terminal shows; ``--json`` has them all."""
TONES = {Verdict.ACT: Tone.GOOD, Verdict.WOULD: Tone.WARN, Verdict.BLOCKED: Tone.BAD, Verdict.TELL: Tone.FAINT}


@app.command()
def why(
    subject: Annotated[
        str,
        typer.Argument(help="KIND/NAME or KIND/NAMESPACE/NAME, for example pod/shop/cart-1.", autocompletion=subjects),
    ],
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace of NAME.", autocompletion=namespaces)
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many decisions.")] = 50,
    config: Config = None,
    json: Json = False,
) -> None:
    """Print every decision about something, to act and not to act, with the evidence and where it is kept."""
    settings, paint = settings_from(config), paint_for(sys.stdout)
    body, text = awaited(explain(settings, subject, namespace, limit, paint))
    show(body, text, json=json)
    if not body.decisions:
        raise SystemExit(EXIT_NOT_FOUND)


class WhyBody(Struct, frozen=True):
    """What ``--json`` prints: decisions as the journal keeps them; by incident, its evidence and causes."""

    subject: str
    decisions: Sequence[Decision]
    evidence: dict[str, str]
    attribution: dict[str, Attribution]


async def explain(
    settings: Settings, subject: str, namespace: str, limit: int, paint: Paint = PLAIN
) -> tuple[WhyBody, str]:
    """Returns what ``--json`` and the terminal show; ``ConfigError`` when the subject cannot be read."""
    kind, space, name = parse(subject, namespace)
    async with open_journal(settings) as journal:
        if space:
            decisions: Sequence[Decision] = await journal.decisions(subject=f"{kind} {space}/{name}", limit=limit)
        else:
            recent = await journal.decisions(limit=10_000)
            decisions = [decision for decision in recent if _names(decision.subject, kind, name)][-limit:]
        ids = {decision.incident for decision in decisions}
        incidents = [incident for incident in await journal.incidents() if incident.id in ids]
    body = WhyBody(
        subject,
        decisions,
        {incident.id: incident.evidence_at for incident in incidents if incident.evidence_at},
        {incident.id: incident.attribution for incident in incidents if incident.attribution is not None},
    )
    return body, _text(body, paint)


def parse(subject: str, namespace: str) -> tuple[str, str, str]:
    """``pod/shop/cart-1`` or ``pod/cart-1`` with a namespace option, to kind, namespace, name."""
    from observer.domain.suspect import CulpritKind

    kinds = [kind.value for kind in CulpritKind]
    parts = subject.split("/")
    if parts[0] not in kinds or not 2 <= len(parts) <= 3 or not all(parts):
        raise ConfigError(f"{subject!r}: expected KIND/NAME or KIND/NAMESPACE/NAME with KIND one of {', '.join(kinds)}")
    if len(parts) == 3 and namespace and parts[1] != namespace:
        raise ConfigError(f"{subject!r} names namespace {parts[1]}, --namespace says {namespace}")
    return parts[0], parts[1] if len(parts) == 3 else namespace, parts[-1]


def _names(subject: str, kind: str, name: str) -> bool:
    word, _, rest = subject.partition(" ")
    return word == kind and rest.rpartition("/")[2] == name


def _text(body: WhyBody, paint: Paint) -> str:
    if not body.decisions:
        return f"{body.subject}: no decision in the journal. Is it spelt right, and does Observer watch its namespace?"
    lines = [f"{body.subject}: {len(body.decisions)} decisions"]
    for decision in body.decisions:
        verdict = paint(f"{decision.verdict.value:<7}", TONES[decision.verdict])
        lines.append(f"{instant(decision.at)}  {verdict} {decision.kind:<14} {decision.text}")
        for block in decision.blocked_by:
            lines.append(f"{'':22}{block.guard}: {block.reason}: {block.detail}")
            if explained := page_of(block.reason):
                lines.append(f"{'':24}-> docs/reference/{explained}")
        if (outcome := decision.outcome) is not None:
            lines.append(f"{'':22}{outcome.result.value}: {outcome.reason} {outcome.detail}".rstrip())
    lines += [line for incident, attribution in body.attribution.items() for line in _causes(incident, attribution)]
    lines += [f"evidence kept in {place}" for place in body.evidence.values()]
    return "\n".join(lines)


def _causes(incident: str, attribution: Attribution) -> list[str]:
    """The likeliest causes of one incident, each with what speaks for and against it."""
    lines = [f"likely causes as of {instant(attribution.at)}, incident {incident}"]
    for ranked in attribution.ranked[:_CAUSES]:
        lines.append(f"{'':4}{ranked.probability:7.2%}  {ranked.cause}")
        lines += [f"{'':16}{line.score:+.1f}  {line.word}: {line.text}" for line in ranked.lines]
    if attribution.gaps:
        lines.append(f"{'':4}not known: {', '.join(attribution.gaps)}")
    return lines
