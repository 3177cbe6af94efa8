"""``observer diagnose``: who is to blame, from files, with no cluster at hand."""

from __future__ import annotations

from typing import Any, Final

from observer.domain.attribution import AffectedService, Attribution, Measure, RankedCause
from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef
from observer.engine.attribution.attribute import attribution
from observer.exchange.incident_files import Files, read_incident

SYMPTOMS: Final = {"errors": Measure.ERROR_RATE, "latency": Measure.LATENCY}


def target_of(service: str, namespace: str, symptom: str) -> AffectedService | None:
    """``--target`` with its namespace and symptom; ``ConfigError`` for an unknown symptom or one of nobody."""
    if symptom not in SYMPTOMS:
        raise ConfigError(f"--symptom {symptom}: expected one of {', '.join(SYMPTOMS)}")
    if service:
        return AffectedService(ServiceRef(namespace, service), SYMPTOMS[symptom])
    if namespace or SYMPTOMS[symptom] is not Measure.ERROR_RATE:
        raise ConfigError("--namespace and --symptom say more of a --target: name it, or leave them out")
    return None


def diagnose(files: Files, limit: int) -> tuple[dict[str, Any], str]:
    """Returns what ``--json`` and the terminal show."""
    found = attribution(read_incident(files))
    body = {
        "at": found.at,
        "onset": found.onset,
        "found": bool(found.culprits),
        "unknown": round(found.unknown, 6),
        "culprits": [_row(one) for one in found.ranked[:limit]],
        "gaps": list(found.gaps),
    }
    return body, _text(found, limit)


def _row(one: RankedCause) -> dict[str, Any]:
    cause = one.cause
    return {
        "kind": cause.kind.value,
        "namespace": cause.namespace,
        "name": cause.name,
        "service": _said(cause.service),
        "callee": _said(cause.callee),
        "probability": round(one.probability, 6),
        "inherited": round(one.inherited, 4),
        "evidence": [
            {"word": line.word, "evidence_score": round(line.score, 2), "text": line.text} for line in one.lines
        ],
    }


def _said(service: ServiceRef | None) -> str:
    """``namespace/name``, or the name alone where files know no namespaces."""
    if service is None:
        return ""
    return str(service) if service.namespace else service.name


def _text(found: Attribution, limit: int) -> str:
    lines = [] if found.culprits else ["nobody can be named: UNKNOWN is the most probable"]
    for one in found.ranked[:limit]:
        lines.append(f"{one.probability:7.1%}  {one.cause}")
        lines += [f"{'':9}{line.score:+5.1f} nats  {line.word}: {line.text}" for line in one.lines]
    lines += [f"not known: {gap}" for gap in found.gaps]
    return "\n".join(lines)
