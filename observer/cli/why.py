"""``observer why KIND/NAME``: every decision about it, from the journal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from observer.cli.application import Config, Json, app, awaited, settings_from
from observer.cli.completion import namespaces, subjects
from observer.cli.output import EXIT_NOT_FOUND, PLAIN, Paint, Tone, paint_for, show
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import ConfigError

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.domain.incident import Incident


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
    """Print every decision about something, to act and not to act, with evidence and where the evidence is kept."""
    settings, paint = settings_from(config), paint_for(sys.stdout)
    body, text = awaited(explain(settings, subject, namespace, limit, paint))
    show(body, text, json=json)
    if not body["decisions"]:
        raise SystemExit(EXIT_NOT_FOUND)


async def explain(
    settings: Settings, subject: str, namespace: str, limit: int, paint: Paint = PLAIN
) -> tuple[dict[str, Any], str]:
    """Returns what ``--json`` and the terminal show; ``ConfigError`` when the subject cannot be read."""
    from observer.app import open_journal

    kind, space, name = parse(subject, namespace)
    async with open_journal(settings) as journal:
        if space:
            found: Sequence[Decision] = await journal.decisions(subject=f"{kind} {space}/{name}", limit=limit)
        else:
            some = await journal.decisions(limit=10_000)
            found = [one for one in some if _names(one.subject, kind, name)][-limit:]
        incidents = {i.id: i for i in await journal.incidents() if any(d.incident == i.id for d in found)}
    body = {
        "subject": subject,
        "decisions": [msgspec.to_builtins(one) for one in found],
        "evidence": {key: incident.evidence_at for key, incident in incidents.items() if incident.evidence_at},
        "attribution": {
            key: msgspec.to_builtins(one.attribution) for key, one in incidents.items() if one.attribution is not None
        },
    }
    return body, _text(subject, found, incidents, paint)


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


def _text(subject: str, found: Sequence[Decision], incidents: dict[str, Incident], paint: Paint) -> str:
    if not found:
        return f"{subject}: no decision in the journal. Is it spelt right, and does Observer watch its namespace?"
    lines = [f"{subject}: {len(found)} decisions"]
    for one in found:
        when = datetime.fromtimestamp(one.at, UTC)
        verdict = paint(f"{one.verdict.value:<5}", TONES[one.verdict])
        lines.append(f"{when:%Y-%m-%d %H:%M:%S}  {verdict} {one.kind:<14} {one.text}")
        lines += [f"{'':22}{block.guard}: {block.reason}: {block.detail}" for block in one.blocked_by]
        if one.outcome is not None:
            lines.append(f"{'':22}{one.outcome.result.value}: {one.outcome.reason} {one.outcome.detail}".rstrip())
    lines += [line for incident in incidents.values() for line in _blamed(incident)]
    lines += [f"evidence kept in {i.evidence_at}" for i in incidents.values() if i.evidence_at]
    return "\n".join(lines)


def _blamed(incident: Incident) -> list[str]:
    """The likeliest causes of one incident, each with what speaks for and against it."""
    if incident.attribution is None:
        return []
    when = datetime.fromtimestamp(incident.attribution.at, UTC)
    lines = [f"blame as of {when:%Y-%m-%d %H:%M:%S}, incident {incident.id}"]
    for one in incident.attribution.ranked[:_CAUSES]:
        lines.append(f"{'':4}{one.probability:7.2%}  {one.cause}")
        lines += [f"{'':16}{line.score:+.1f} nats  {line.word}: {line.text}" for line in one.lines]
    if incident.attribution.gaps:
        lines.append(f"{'':4}not known: {', '.join(incident.attribution.gaps)}")
    return lines
