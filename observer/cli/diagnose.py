"""``observer diagnose``: the likeliest causes of an incident, from files, with no cluster at hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from observer.cli.application import Json, app
from observer.cli.output import show
from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef

if TYPE_CHECKING:
    from observer.domain.attribution import AffectedService, Attribution, RankedCause
    from observer.exchange.incident_files import Files

SYMPTOMS: Final = ("errors", "latency")


@app.command()
def diagnose(
    *,
    metrics: Annotated[Path | None, typer.Option(help="CSV of series: time, service, measure, value.")] = None,
    graph: Annotated[Path | None, typer.Option(help="JSON lines: who calls whom, with counts where known.")] = None,
    traces: Annotated[Path | None, typer.Option(help="JSON lines: one span each.")] = None,
    since: Annotated[float | None, typer.Option(help="Beginning of the incident, Unix seconds.")] = None,
    target: Annotated[str, typer.Option(help="The service whose users are affected.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the target.")] = "",
    symptom: Annotated[str, typer.Option(help="What the target's users see: errors or latency.")] = "errors",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many causes.")] = 10,
    json: Json = False,
) -> None:
    """Rank the likeliest causes of an incident from files (formats in docs/diagnose.md); needs no cluster."""
    from observer.exchange.incident_files import Files

    files = Files(metrics, graph, traces, since, target_of(target, namespace, symptom))
    body, text = run_diagnosis(files, limit)
    show(body, text, json=json)


def target_of(service: str, namespace: str, symptom: str) -> AffectedService | None:
    """``--target`` with its namespace and symptom; ``ConfigError`` for an unknown symptom or one of nobody."""
    from observer.domain.attribution import AffectedService, Measure

    if symptom not in SYMPTOMS:
        raise ConfigError(f"--symptom {symptom}: expected one of {', '.join(SYMPTOMS)}")
    measure = Measure.ERROR_RATE if symptom == "errors" else Measure.LATENCY
    if service:
        return AffectedService(ServiceRef(namespace, service), measure)
    if namespace or measure is not Measure.ERROR_RATE:
        raise ConfigError("--namespace and --symptom say more of a --target: name it, or leave them out")
    return None


def run_diagnosis(files: Files, limit: int) -> tuple[dict[str, object], str]:
    """Returns what ``--json`` and the terminal show."""
    from observer.engine.attribution.attribute import attribute
    from observer.exchange.incident_files import read_incident

    attribution = attribute(read_incident(files))
    body: dict[str, object] = {
        "at": attribution.at,
        "onset": attribution.onset,
        "found": bool(attribution.culprits),
        "unknown": round(attribution.unknown, 6),
        "culprits": [_row(ranked) for ranked in attribution.ranked[:limit]],
        "gaps": list(attribution.gaps),
    }
    return body, _text(attribution, limit)


def _row(ranked: RankedCause) -> dict[str, object]:
    cause = ranked.cause
    return {
        "kind": cause.kind.value,
        "namespace": cause.namespace,
        "name": cause.name,
        "service": _said(cause.service),
        "callee": _said(cause.callee),
        "probability": round(ranked.probability, 6),
        "inherited": round(ranked.inherited, 4),
        "evidence": [{"word": line.word, "score": round(line.score, 2), "text": line.text} for line in ranked.lines],
    }


def _said(service: ServiceRef | None) -> str:
    """``namespace/name``, or the name alone where files know no namespaces."""
    if service is None:
        return ""
    return str(service) if service.namespace else service.name


def _text(attribution: Attribution, limit: int) -> str:
    lines = [] if attribution.culprits else ["no cause can be named: UNKNOWN is the most probable"]
    for ranked in attribution.ranked[:limit]:
        lines.append(f"{ranked.probability:7.1%}  {ranked.cause}")
        lines += [f"{'':9}{line.score:+5.1f}  {line.word}: {line.text}" for line in ranked.lines]
    lines += [f"not known: {gap}" for gap in attribution.gaps]
    return "\n".join(lines)
