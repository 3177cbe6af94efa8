"""The entry: everything that is known of an incident -> the posterior over its causes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from observer.domain.attribution import Attribution, AttributionInputs, Cause, Placement
from observer.domain.graph import CallGraph
from observer.domain.ids import ServiceRef
from observer.domain.traces import TraceSet
from observer.engine.attribution.calls import Pair, ledger, ledger_evidence, lone_callers, with_callers
from observer.engine.attribution.evidence import MOST, MemberEvidence, ServiceEvidence
from observer.engine.attribution.failures import Failures, failures, failures_evidence, shapes_evidence
from observer.engine.attribution.judged import judged_evidence, unsuspected
from observer.engine.attribution.members import (
    Tally,
    counted_member_evidence,
    silence_evidence,
    silent_member_evidence,
    sizes_of,
    strongest,
    suspect_evidence,
)
from observer.engine.attribution.posterior import change_lines, posterior
from observer.engine.attribution.series import saturation_evidence, series_evidence
from observer.engine.attribution.slowness import Kind, Pace, kind, paces, slowness_evidence
from observer.engine.attribution.trees import Place, SpanNode, trees

_SAME_THING = {"failures": "errors", "time": "latency"}
"""Kinds of evidence that count the same requests: they are averaged, not added up."""

_FAILING = frozenset({"errors", "lost_calls"})
"""Kinds of evidence that a service shows which cannot answer what one caller asks for."""
_ONE_MISSING = 0.25
"""Score for a graph without traces or the other way round: either knows most of the calls."""


@dataclass(frozen=True, slots=True)
class _Traced:
    """What the traces of the incident and of before hold."""

    now: list[list[SpanNode]]
    usual: list[list[SpanNode]]
    failures: Failures
    usual_failures: Failures | None
    pace: Mapping[Kind, Pace] = field(default_factory=dict)


def attribute(inputs: AttributionInputs) -> Attribution:
    """
    Weigh everything. Whatever is missing is left out of the sum and named in ``gaps``; the answer then doubts more.

    The order of edges, spans, readings and suspects does not matter, and no name has a meaning.
    """
    traced = _traced(inputs)
    lines = ledger(inputs.graph, inputs.usual_graph) if inputs.graph is not None else {}
    calls = frozenset(lines) | _calls(inputs.usual_graph) | _spanned(traced)
    counted = (
        ledger_evidence(inputs, lines, traced.failures.handed_up() if traced is not None else {}) if lines else None
    )
    events = sum(line.requests for line in lines.values())
    most = MOST if not events else counted.score if counted is not None else 0.0
    all_evidence = [
        *series_evidence(inputs, calls, lines),
        *judged_evidence(inputs, calls, frozenset(pair[1] for pair, line in lines.items() if line.requests > 0.0)),
        saturation_evidence(inputs),
        silence_evidence(inputs.judgement.suppressions) if inputs.judgement is not None else None,
        counted,
        *(_of_traces(inputs, traced, most) if traced is not None else ()),
    ]
    below = _below(inputs.target.service, calls) if inputs.target is not None else None
    lone = lone_callers(lines)
    merged = _merged([service_evidence for service_evidence in all_evidence if service_evidence is not None])
    evidence_left = [
        _only(with_callers(service_evidence, lone) if service_evidence.word in _FAILING else service_evidence, below)
        for service_evidence in merged
    ]
    onset = _onset(inputs, evidence_left)
    changes = change_lines(inputs.changes, onset if onset is not None else inputs.at)
    members_evidence = [
        member_evidence
        for member_evidence in _members_evidence(inputs, traced)
        if below is None or member_evidence.service in below
    ]
    return Attribution(
        inputs.at, onset, posterior(evidence_left, members_evidence, changes, _blind(inputs, calls)), _gaps(inputs)
    )


def _blind(inputs: AttributionInputs, calls: frozenset[Pair]) -> float:
    """
    Score for what was not seen. Without any calls no victim can be told from its culprit; a graph without traces, or
    traces without a graph, tell most of it; a judgement of a part may have missed the worse part.
    """
    graph = inputs.graph is not None and bool(inputs.graph.edges)
    traces = inputs.traces is not None and bool(inputs.traces.spans)
    blind = _ONE_MISSING * ((not graph) + (not traces)) if calls else 1.0
    return blind + (inputs.judgement is not None and not inputs.judgement.complete)


def _below(target: ServiceRef, calls: frozenset[Pair]) -> frozenset[ServiceRef]:
    """The target and everybody its calls can reach."""
    callees: dict[ServiceRef, list[ServiceRef]] = defaultdict(list)
    for caller, callee in calls:
        callees[caller].append(callee)
    reached, ahead = {target}, [target]
    while ahead:
        new = [callee for callee in callees[ahead.pop()] if callee not in reached]
        reached.update(new)
        ahead += new
    return frozenset(reached)


def _only(service_evidence: ServiceEvidence, below: frozenset[ServiceRef] | None) -> ServiceEvidence:
    """Without the shares of those who cannot hurt the target: what they account for is explained by nobody."""
    if below is None:
        return service_evidence
    services = {service: share for service, share in service_evidence.services.items() if service in below}
    others = {
        cause: share
        for cause, share in service_evidence.others.items()
        if cause.service is None or cause.service in below
    }
    return replace(service_evidence, services=services, others=others)


def _traced(inputs: AttributionInputs) -> _Traced | None:
    if inputs.traces is None or not inputs.traces.spans:
        return None
    now = trees(_of_today(inputs.traces, inputs.placements))
    usual = trees(inputs.usual_traces) if inputs.usual_traces is not None else []
    return _Traced(now, usual, failures(now), failures(usual) if usual else None, paces(usual))


def _of_today(traces: TraceSet, placements: Mapping[tuple[str, str], Placement]) -> TraceSet:
    """Without the pod's name where a span is older than the pod: an earlier one bore the name."""
    spans = []
    for span in traces.spans:
        placement = placements.get((span.namespace, span.pod)) if span.pod else None
        old = placement is not None and span.start < placement.since
        spans.append(replace(span, pod="") if old else span)
    return replace(traces, spans=tuple(spans))


def _calls(graph: CallGraph | None) -> frozenset[Pair]:
    return frozenset((edge.caller, edge.callee) for edge in graph.edges) if graph is not None else frozenset()


def _spanned(traced: _Traced | None) -> frozenset[Pair]:
    """Calls that the traces show, those of callers that report no calls of their own included."""
    return frozenset(
        (node.place.service, child.place.service)
        for nodes in (traced.now if traced is not None else ())
        for node in nodes
        for child in node.children
        if child.place.service != node.place.service
    )


def _of_traces(inputs: AttributionInputs, traced: _Traced, most: float) -> Iterable[ServiceEvidence | None]:
    yield failures_evidence(inputs, traced.failures, traced.usual_failures, most)
    yield slowness_evidence(inputs, traced.now, traced.usual, traced.pace)
    yield shapes_evidence(traced.now, traced.usual)


def _members_evidence(inputs: AttributionInputs, traced: _Traced | None) -> list[MemberEvidence]:
    members_evidence: list[MemberEvidence] = []
    if inputs.judgement is not None:
        members_evidence += suspect_evidence(inputs.judgement.suspects, sizes_of(inputs))
        members_evidence += silent_member_evidence(inputs.judgement.suppressions)
    if traced is not None:
        bad = {
            spot: (float(traced.failures.begun[spot]), float(calls)) for spot, calls in traced.failures.calls.items()
        }
        spoken = [
            *counted_member_evidence(bad, inputs.placements, "failures"),
            *counted_member_evidence(_slow(traced), inputs.placements, "slow"),
        ]
        settled = unsuspected(inputs.judgement, {member_evidence.service for member_evidence in spoken})
        members_evidence += [member_evidence for member_evidence in spoken if member_evidence.service not in settled]
    return strongest(members_evidence)


def _slow(traced: _Traced) -> dict[Place, Tally]:
    """Spans slower than nineteen in twenty usually are, by pod; where nothing usual is known, of these traces."""
    pace = traced.pace or paces(traced.now)
    slow: dict[Place, float] = defaultdict(float)
    total: dict[Place, float] = defaultdict(float)
    for nodes in traced.now:
        for node in nodes:
            usual_pace = pace.get(kind(node))
            if usual_pace is not None and node.answered is None:
                total[node.place] += 1.0
                slow[node.place] += node.own > usual_pace.q95
    return {spot: (slow[spot], count) for spot, count in total.items()}


def _merged(all_evidence: list[ServiceEvidence]) -> list[ServiceEvidence]:
    """Evidence for each thing seen: several views of the same requests are averaged by their scores."""
    groups: dict[str, list[ServiceEvidence]] = defaultdict(list)
    for service_evidence in all_evidence:
        groups[_SAME_THING.get(service_evidence.word, service_evidence.word)].append(service_evidence)
    return [_average(word, groups[word]) for word in sorted(groups)]


def _average(word: str, all_evidence: list[ServiceEvidence]) -> ServiceEvidence:
    whole = sum(service_evidence.score for service_evidence in all_evidence)
    if len(all_evidence) == 1 or whole <= 0.0:
        return all_evidence[0]
    services: dict[ServiceRef, float] = defaultdict(float)
    others: dict[Cause, float] = defaultdict(float)
    inherited: dict[ServiceRef, float] = {}
    texts: dict[ServiceRef, str] = {}
    for service_evidence in all_evidence:
        weight = service_evidence.score / whole
        for service, share in service_evidence.services.items():
            services[service] += weight * share
        for cause, share in service_evidence.others.items():
            others[cause] += weight * share
        for service, part in service_evidence.inherited.items():
            inherited[service] = max(inherited.get(service, 0.0), part)
        for service, text in service_evidence.texts.items():
            texts[service] = f"{texts[service]}; {text}" if service in texts else text
    onset = min(
        (service_evidence.onset for service_evidence in all_evidence if service_evidence.onset is not None),
        default=None,
    )
    return ServiceEvidence(
        word,
        max(service_evidence.score for service_evidence in all_evidence),
        dict(services),
        dict(others),
        texts,
        inherited,
        onset,
    )


def _onset(inputs: AttributionInputs, all_evidence: list[ServiceEvidence]) -> float | None:
    """The middle of what the kinds of evidence say, so that one wrong estimate does not move it."""
    onsets = sorted(service_evidence.onset for service_evidence in all_evidence if service_evidence.onset is not None)
    return onsets[(len(onsets) - 1) // 2] if onsets else inputs.since


def _gaps(inputs: AttributionInputs) -> tuple[str, ...]:
    gaps = list(inputs.gaps)
    if inputs.graph is None:
        gaps.append("no call graph")
    if inputs.traces is None or not inputs.traces.spans:
        gaps.append("no traces")
    elif inputs.usual_traces is None or not inputs.usual_traces.spans:
        gaps.append("no traces of before")
    if inputs.traces is not None and inputs.traces.truncated:
        gaps.append("traces were cut off at the limit")
    if inputs.judgement is None:
        gaps.append("no peer tests")
    elif not inputs.judgement.complete:
        gaps.append("the peer tests saw only part of the pods")
    return tuple(dict.fromkeys(gaps))
