"""Ballots, members and changes -> probabilities. The sum of nats of each cause, normalised; nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from observer.domain.attribution import UNKNOWN, Cause, CauseKind, EvidenceLine, RankedCause, workload_cause
from observer.domain.ids import ServiceRef
from observer.engine.attribution.ballots import MemberEvidence, ServiceEvidence
from observer.engine.messages.wording import percent

DOUBT: Final = 3.0
"""Nats that UNKNOWN starts with: about 20:1 against a cause for which nothing speaks."""
_MOST_LINES: Final = 8


def posterior(
    ballots: Iterable[ServiceEvidence],
    members: Iterable[MemberEvidence],
    changes: Iterable[tuple[Cause, EvidenceLine]],
    blind: float = 0.0,
) -> tuple[RankedCause, ...]:
    """
    Rank every cause that anything speaks for, and UNKNOWN, which gains ``blind`` nats for what was not seen.

    A member (pod, revision, node) shares its service's evidence and adds what sets it apart from the service as a
    whole. Ties are broken against the more drastic act: UNKNOWN first, pods last.
    """
    lines: dict[Cause, list[EvidenceLine]] = {
        UNKNOWN: [EvidenceLine("doubt", DOUBT + blind, "no cause, or none that can be seen")]
    }
    of_service: dict[ServiceRef, list[EvidenceLine]] = {}
    inherited: dict[ServiceRef, float] = {}
    for ballot in ballots:
        _count(ballot, lines, of_service)
        for service, part in ballot.inherited.items():
            inherited[service] = max(inherited.get(service, 0.0), part)
    votes = sorted(members, key=lambda vote: (str(vote.cause), vote.line.word, vote.line.score, vote.line.text))
    for vote in votes:
        of_service.setdefault(vote.service, [])
    for service, found in of_service.items():
        lines.setdefault(workload_cause(service), []).extend(found)
    shared: set[tuple[Cause, ServiceRef]] = set()
    for vote in votes:
        # A node accounts for the trouble of every service that names it.
        if (vote.cause, vote.service) not in shared:
            lines.setdefault(vote.cause, []).extend(of_service[vote.service])
            shared.add((vote.cause, vote.service))
        lines[vote.cause].append(vote.line)
    for cause, line in sorted(changes, key=lambda one: (str(one[0]), one[1].text)):
        if cause.kind is CauseKind.REVISION and cause not in lines and cause.service in of_service:
            # All pods are of the new revision: it is the service's own trouble by another name.
            lines[cause] = list(of_service[cause.service])
        if cause in lines:
            lines[cause].append(line)
    return _normalised(lines, inherited)


def _count(
    ballot: ServiceEvidence, lines: dict[Cause, list[EvidenceLine]], of_service: dict[ServiceRef, list[EvidenceLine]]
) -> None:
    for service, share in ballot.services.items():
        text = ballot.texts.get(service, "")
        said = f"{percent(share)} of the {ballot.word.replace('_', ' ')}" + (f": {text}" if text else "")
        of_service.setdefault(service, []).append(EvidenceLine(ballot.word, ballot.score * share, said))
    for cause, share in ballot.others.items():
        line = EvidenceLine(ballot.word, ballot.score * share, f"{percent(share)} of the {ballot.word}")
        lines.setdefault(cause, []).append(line)
    if ballot.unexplained > 1e-9 and ballot.score > 0.0:
        score = ballot.score * ballot.unexplained
        lines[UNKNOWN].append(EvidenceLine(ballot.word, score, f"{percent(ballot.unexplained)} without a cause"))


def _normalised(
    lines: Mapping[Cause, list[EvidenceLine]], inherited: Mapping[ServiceRef, float]
) -> tuple[RankedCause, ...]:
    score = {cause: math.fsum(line.score for line in found) for cause, found in lines.items()}
    top = max(score.values())
    weights = {cause: math.exp(value - top) for cause, value in score.items()}
    whole = math.fsum(weights.values())
    ranked = [
        RankedCause(
            cause,
            weights[cause] / whole,
            score[cause],
            inherited.get(cause.service, 0.0) if cause.service is not None and cause.callee is None else 0.0,
            tuple(sorted(found, key=lambda line: (-abs(line.score), line.word, line.text))[:_MOST_LINES]),
        )
        for cause, found in lines.items()
    ]
    return tuple(sorted(ranked, key=lambda one: (-one.probability, _CAUTION[one.cause.kind], str(one.cause))))


_CAUTION: Final = {
    CauseKind.UNKNOWN: 0,
    CauseKind.EXTERNAL: 1,
    CauseKind.EDGE: 2,
    CauseKind.CALLER: 3,
    CauseKind.WORKLOAD: 4,
    CauseKind.ZONE: 5,
    CauseKind.NODE: 6,
    CauseKind.REVISION: 7,
    CauseKind.POD: 8,
}
