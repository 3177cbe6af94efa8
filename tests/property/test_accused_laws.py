"""Laws of the brake that asks who is to blame, whatever was counted."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from observer.domain.action import ActionKind
from observer.domain.attribution import Attribution, CauseKind
from observer.domain.decision import Allowed
from observer.domain.graph import CallGraph
from observer.domain.policy import EffectivePolicy
from observer.domain.suspect import Suspect, Tier
from observer.engine.attribution.attributor import Attributor
from observer.engine.attribution.removal import permits_removal, shortened, victim_of, with_drain
from observer.engine.context import Rules, TickContext
from observer.engine.guards import attribution as guard
from observer.engine.guards.context import GuardContext
from observer.engine.memory import Memory
from tests.property.test_attribution_laws import FEW, NAMES, edges
from tests.support.builders import (
    NOW,
    catalog,
    cluster,
    enforce,
    evidence,
    health,
    incident_of,
    judgement,
    snapshot,
    suspect,
)

PODS = [one for name in NAMES for one in catalog(3, app=name)]
VIEW = cluster(PODS)


@st.composite
def asked(draw: st.DrawFn) -> tuple[Suspect, Attribution]:
    """One suspect of service ``a``, others elsewhere, and any calls."""
    found = evidence(score=draw(st.floats(9.0, 59.0)), requests=300.0, bad_rate=draw(st.floats(0.05, 1.0)))
    mine = suspect(PODS[0], Tier.EVICT, found=found)
    numbers = draw(st.lists(st.integers(3, len(PODS) - 1), max_size=3, unique=True))
    others = [suspect(PODS[number], Tier.DRAIN) for number in numbers]
    graph = CallGraph(NOW + 1.0, 60.0, draw(edges()))
    picture = snapshot(VIEW, edges=graph)
    judged = judgement(suspects=[mine, *others], services=health(PODS))
    return mine, Attributor(picture, judged, VIEW).attribute(mine)


def context(found: Attribution, action_kind: ActionKind) -> GuardContext:
    judged, mode = judgement(), enforce()
    return GuardContext(
        tick=TickContext.of(snapshot(VIEW), judged, VIEW, Rules(mode)), action_kind=action_kind,
        incident=incident_of("a-1", app="a"), pod=PODS[0], workload=None, suspect=None, memory=Memory(),
        policy=EffectivePolicy.of(mode), attribution=found,
    )  # fmt: skip


@FEW
@given(asked())
def test_nobody_is_killed_on_worse_odds_than_were_asked_for(drawn: tuple[Suspect, Attribution]) -> None:
    _, found = drawn
    evict, drain = (
        guard.attribution(context(found, action_kind)) for action_kind in (ActionKind.EVICT, ActionKind.DRAIN)
    )
    mine = next(one for one in found.ranked if one.cause.pod == PODS[0].ref)
    if isinstance(evict, Allowed):
        assert permits_removal(found, PODS[0].ref).allowed
        assert isinstance(drain, Allowed)  # what may be killed may be drained
    if isinstance(drain, Allowed):
        assert victim_of(found, mine) is None
        assert mine.probability >= found.ranked[0].probability * (1.0 - 1e-6)


@FEW
@given(asked())
def test_a_shorter_record_never_permits_more(drawn: tuple[Suspect, Attribution]) -> None:
    _, found = drawn
    cause = next(one.cause for one in found.ranked if one.cause.pod == PODS[0].ref)
    short = shortened(found, (cause,))
    assert math.isclose(sum(one.probability for one in short.ranked), 1.0, rel_tol=1e-9)
    assert short.unknown >= found.unknown * (1.0 - 1e-9)
    assert [one.probability for one in short.ranked] == sorted((one.probability for one in short.ranked), reverse=True)
    if permits_removal(short, PODS[0].ref).allowed:
        assert permits_removal(found, PODS[0].ref).allowed


@FEW
@given(asked(), st.floats(3.0, 12.0))
def test_a_drop_makes_the_pod_likelier_and_never_a_victim_less_so(
    drawn: tuple[Suspect, Attribution], log_odds: float
) -> None:
    _, found = drawn
    after = with_drain(found, PODS[0], VIEW, log_odds)
    before, now = (
        next(one for one in attribution.ranked if one.cause.pod == PODS[0].ref) for attribution in (found, after)
    )
    assert now.probability >= before.probability * (1.0 - 1e-9)
    assert now.inherited == before.inherited
    assert math.isclose(sum(one.probability for one in after.ranked), 1.0, rel_tol=1e-9)


@FEW
@given(asked())
def test_every_answer_names_the_suspect_and_unknown(drawn: tuple[Suspect, Attribution]) -> None:
    mine, found = drawn
    causes = [one.cause for one in found.ranked]
    assert any(one.pod == mine.culprit.pod for one in causes)
    assert sum(one.kind is CauseKind.UNKNOWN for one in causes) == 1
    peers = [one.pod for one in causes if one.kind is CauseKind.POD and one.service == mine.culprit.service]
    assert peers == [mine.culprit.pod]


@settings(FEW, max_examples=10)
@given(st.floats(9.0, 59.0))
def test_without_graph_and_traces_the_sibling_test_alone_is_enough(score: float) -> None:
    mine = suspect(PODS[0], Tier.EVICT, found=replace(evidence(score=score)))
    judged = judgement(suspects=[mine], services=health(PODS))
    found = Attributor(snapshot(VIEW), judged, VIEW).attribute(mine)
    assert isinstance(guard.attribution(context(found, ActionKind.EVICT)), Allowed)
