"""Hypothesis strategies for whole domain values."""

from __future__ import annotations

from hypothesis import strategies as st

from observer.domain.action import Action, ActionKind, Mode
from observer.domain.decision import Blocked, Decision, LedgerEntry, Verdict
from observer.domain.ids import PodRef, ServiceRef, Target, TargetKind, WorkloadRef
from observer.domain.incident import Check, Experiment, Incident, Phase
from observer.domain.outcome import DrainVerdict, Outcome, Result, Verification
from observer.domain.reasons import GuardName, Reason
from observer.domain.suspect import Culprit, CulpritKind, Symptom

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
numbers = st.floats(allow_nan=False)
pods = st.builds(PodRef, texts, texts, texts)
services = st.builds(ServiceRef, texts, texts)
workloads = st.builds(WorkloadRef, texts, texts, texts)
kinds = st.sampled_from(ActionKind)
targets = st.builds(Target, st.sampled_from(TargetKind), texts, texts, texts)
reasons = st.sampled_from(Reason)
guards = st.sampled_from(GuardName)
actions = st.builds(
    Action,
    action_kind=kinds,
    incident=texts,
    target=targets,
    attempt=st.integers(0, 9),
    resource_version=texts,
    expires=numbers,
    term=st.integers(0, 9),
    dry_run=st.booleans(),
    reason=texts,
)
outcomes = st.builds(
    Outcome, action_id=texts, result=st.sampled_from(Result), reason=texts, detail=texts, retry_after=numbers
)
culprits = st.builds(
    Culprit,
    kind=st.sampled_from(CulpritKind),
    namespace=texts,
    name=texts,
    service=st.none() | services,
    pod=st.none() | pods,
)
experiments = st.builds(
    Experiment,
    started=numbers,
    share=numbers,
    p1=numbers,
    p0=numbers,
    cut=st.integers(-1, 9),
    log_odds=numbers,
    verdict=st.sampled_from(DrainVerdict),
)
checks = st.builds(
    Check,
    evicted=numbers,
    deadline=numbers,
    replacement=st.none() | pods,
    log_odds=numbers,
    verdict=st.sampled_from(Verification),
)
incidents = st.builds(
    Incident,
    id=texts,
    opened=numbers,
    culprit=culprits,
    symptom=st.sampled_from(Symptom),
    phase=st.sampled_from(Phase),
    phase_since=numbers,
    workload=st.none() | workloads,
    service=st.none() | services,
    node=texts,
    evidence_score=numbers,
    cut=st.integers(-1, 9),
    attempts=st.dictionaries(kinds, st.integers(0, 9)),
    blocked=st.dictionaries(reasons, numbers),
    experiment=st.none() | experiments,
    check=st.none() | checks,
    closing=texts,
    closed=numbers,
)
decisions = st.builds(
    Decision,
    id=texts,
    at=numbers,
    kind=texts,
    verdict=st.sampled_from(Verdict),
    subject=texts,
    reason=texts,
    text=texts,
    incident=texts,
    action_kind=st.none() | kinds,
    mode=st.sampled_from(Mode),
    pod=st.none() | pods,
    service=st.none() | services,
    workload=st.none() | workloads,
    action=st.none() | actions,
    outcome=st.none() | outcomes,
    blocked_by=st.lists(st.builds(Blocked, guards, reasons, texts, st.booleans()), max_size=3).map(tuple),
    figures=st.dictionaries(texts, numbers | texts | st.booleans() | st.none(), max_size=4),
    config=texts,
    severity=texts,
    target=st.none() | targets,
)
entries = st.builds(
    LedgerEntry,
    action_id=texts,
    at=numbers,
    action_kind=kinds,
    incident=texts,
    target=targets,
    workload=st.none() | workloads,
    service=st.none() | services,
    culprit_kind=texts,
    symptom=texts,
    node=texts,
    revision=texts,
    settled=st.booleans(),
    applied=st.booleans(),
    useful=st.none() | st.booleans(),
    verdict=texts,
)
