"""One of a service's pods, one of its revisions, or all alike? From spans by pod, and from what the detectors found."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from observer.domain.attribution import AttributionInputs, Cause, CauseKind, EvidenceLine, Placement, workload_cause
from observer.domain.ids import PodRef, ServiceRef
from observer.domain.reasons import TIES, Reason
from observer.domain.suspect import Culprit, CulpritKind, Suppression, Suspect
from observer.engine.attribution.evidence import MOST, MemberEvidence, ServiceEvidence, more
from observer.engine.attribution.trees import Place

_KINDS: Final = {
    CulpritKind.POD: CauseKind.POD,
    CulpritKind.REVISION: CauseKind.REVISION,
    CulpritKind.NODE: CauseKind.NODE,
    CulpritKind.ZONE: CauseKind.ZONE,
}
_RARE: Final = {CauseKind.POD: 0.0, CauseKind.REVISION: 0.0, CauseKind.NODE: -1.0, CauseKind.ZONE: -2.0}
"""Score before any evidence: sick nodes and zones are rarer than sick pods."""
_RIVAL: Final = {CauseKind.POD: 0.0, CauseKind.REVISION: 0.0, CauseKind.NODE: -1.0, CauseKind.ZONE: -1.0}
"""The same for a group that explains nearly as much as a pod: so little that the pod's odds do not reach a removal."""
_SILENT: Final = 1.5
"""Score for the only silent peer of a service that loses calls: it leads, and never by the 5:1 that a removal needs."""
_SILENCE: Final = 8.0
"""Score that a Ready pod falls silent by chance just as calls to its service get lost: about 3 000:1 against it."""
_PICKED: Final = 6.0
"""Score that counts of spans may add at most: traces are picked, so their numbers flatter."""

Tally = tuple[float, float]
"""Bad, and all."""


def suspect_evidence(suspects: Iterable[Suspect], sizes: Mapping[ServiceRef, int]) -> list[MemberEvidence]:
    """What the peer tests say; where they call it a tie, the rival gets the same score."""
    members_evidence = []
    for suspect in suspects:
        service = suspect.culprit.service
        if suspect.culprit.kind not in _KINDS:
            continue
        if service is None:
            members_evidence += _pooled_member_evidence(suspect)
            continue
        price = math.log(max(sizes.get(service, 1), 1))
        score = min(suspect.evidence.score - price, MOST)
        text = f"evidence {suspect.evidence.score:.1f} against its peers ({suspect.evidence.symptom.value})"
        members_evidence.append(MemberEvidence(service, cause_of(suspect.culprit), EvidenceLine("peers", score, text)))
        if suspect.ceiling_reason in TIES and suspect.also and suspect.also[0].kind in _KINDS:
            rival = cause_of(suspect.also[0])
            rarer = _RIVAL[rival.kind] if suspect.ceiling_reason == Reason.TIE_GROUP else 0.0
            line = EvidenceLine("peers", score + rarer, f"cannot be told from {suspect.culprit}")
            members_evidence.append(MemberEvidence(service, rival, line))
    return members_evidence


def _pooled_member_evidence(suspect: Suspect) -> list[MemberEvidence]:
    """A node or zone, judged over services: it accounts for each service whose pods it explains, and is sure once."""
    services = sorted({culprit.service for culprit in suspect.also if culprit.service is not None})
    score = min(suspect.evidence.score, MOST)
    return [
        MemberEvidence(
            service,
            cause_of(suspect.culprit),
            EvidenceLine(
                "peers",
                0.0 if number else score,
                f"evidence {suspect.evidence.score:.1f} over {len(services)} services, {service} among them",
            ),
        )
        for number, service in enumerate(services)
    ]


def silent_member_evidence(suppressions: Iterable[Suppression]) -> list[MemberEvidence]:
    """The one peer whose sidecar fell silent as calls got lost: the likeliest, and no more than that."""
    return [
        MemberEvidence(
            suppression.service, cause_of(suppression.cause), EvidenceLine("peers", _SILENT, suppression.detail)
        )
        for suppression in suppressions
        if suppression.reason == Reason.UNREACHED and suppression.cause is not None
    ]


def silence_evidence(suppressions: Iterable[Suppression]) -> ServiceEvidence | None:
    """
    Silent peers of services that lose calls. Retries hide such errors, and the waiting shows as the callers'
    slowness only: what cannot be reached has to speak for itself.

    It speaks for the silent pod and its service as a whole, never for a peer: that one answers, and must not become
    likelier, nor its removal permitted, because another pod is silent.
    """
    silent = {
        cause_of(suppression.cause): suppression.service
        for suppression in suppressions
        if suppression.reason == Reason.UNREACHED and suppression.cause
    }
    if not silent:
        return None
    share = 1.0 / len(silent)
    meant = [*silent, *(workload_cause(service) for service in silent.values())]
    return ServiceEvidence("silence", _SILENCE, {}, others=dict.fromkeys(meant, share))


def cause_of(culprit: Culprit) -> Cause:
    """The same culprit as a cause."""
    if culprit.kind in {CulpritKind.NODE, CulpritKind.ZONE}:
        return Cause(_KINDS[culprit.kind], "", culprit.name)
    kind = _KINDS.get(culprit.kind, CauseKind.WORKLOAD)
    return Cause(kind, culprit.namespace, culprit.name, culprit.service, culprit.pod)


def counted_member_evidence(
    counts: Mapping[Place, Tally], placements: Mapping[tuple[str, str], Placement], word: str
) -> list[MemberEvidence]:
    """Votes from bad and all events by pod: each pod, revision, node and zone against the rest of its service."""
    services: dict[ServiceRef, dict[str, Tally]] = defaultdict(dict)
    for spot, tally in counts.items():
        if spot.pod:
            services[spot.service][spot.pod] = tally
    members_evidence = []
    for service in sorted(services):
        pods = services[service]
        for cause, members in _groups(service, pods, placements).items():
            if len(members) == len(pods):
                continue
            bad, total = _sum(pods[name] for name in members)
            rest_bad, rest = _sum(tally for name, tally in pods.items() if name not in members)
            score = more(bad, total, rest_bad, rest)
            if score <= 0.0:
                continue
            score = min(score - math.log(len(pods)), _PICKED) + _RARE[cause.kind]
            text = f"{bad:.0f} of {total:.0f} bad there, {rest_bad:.0f} of {rest:.0f} at its peers"
            members_evidence.append(MemberEvidence(service, cause, EvidenceLine(word, score, text)))
    return members_evidence


def _groups(
    service: ServiceRef, pods: Mapping[str, Tally], placements: Mapping[tuple[str, str], Placement]
) -> dict[Cause, set[str]]:
    groups: dict[Cause, set[str]] = defaultdict(set)
    for name in sorted(pods):
        placement = placements.get((service.namespace, name))
        ref = placement.ref if placement is not None else PodRef(service.namespace, name, "")
        groups[Cause(CauseKind.POD, service.namespace, name, service, ref)].add(name)
        if placement is None:
            continue
        if placement.revision:
            groups[Cause(CauseKind.REVISION, service.namespace, placement.revision, service)].add(name)
        if placement.node:
            groups[Cause(CauseKind.NODE, "", placement.node)].add(name)
        if placement.zone:
            groups[Cause(CauseKind.ZONE, "", placement.zone)].add(name)
    return groups


def _sum(tallies: Iterable[Tally]) -> Tally:
    counts = list(tallies)
    return math.fsum(bad for bad, _ in counts), math.fsum(total for _, total in counts)


def strongest(members_evidence: Iterable[MemberEvidence]) -> list[MemberEvidence]:
    """One vote for each service and cause: all of them count the same requests, so they are not added up."""
    best: dict[tuple[ServiceRef, Cause], MemberEvidence] = {}
    for member_evidence in members_evidence:
        key = (member_evidence.service, member_evidence.cause)
        rival = best.get(key)
        if rival is None or (member_evidence.line.score, member_evidence.line.word) > (
            rival.line.score,
            rival.line.word,
        ):
            best[key] = member_evidence
    return list(best.values())


def sizes_of(inputs: AttributionInputs) -> dict[ServiceRef, int]:
    """How many pods each service has, as far as placements and the judgement tell."""
    sizes: dict[ServiceRef, int] = defaultdict(int)
    for placement in inputs.placements.values():
        sizes[placement.service] += 1
    if inputs.judgement is not None:
        for service, health in inputs.judgement.services.items():
            sizes[service] = max(sizes[service], len(health.rates))
    return dict(sizes)
