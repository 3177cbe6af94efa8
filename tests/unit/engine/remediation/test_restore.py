"""Giving back: what a watch event, a restart and a lost view of the label mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from observer.domain import names
from observer.domain.action import ActionKind
from observer.domain.decision import Decision, Verdict
from observer.domain.incident import Experiment, Incident, Phase
from observer.domain.outcome import DrainVerdict, Outcome, Result
from observer.engine.memory import Baseline, Memory
from observer.engine.remediation.outcomes import apply_outcome
from observer.engine.remediation.restore import VIEW_LAG, floor_check, incident_of_mark, recover
from tests.support.builders import NOW, catalog, cluster, drained, enforce, incident_of, pod, workload

SETTINGS = enforce()


def standing(phase: Phase = Phase.EXPERIMENT, **changes: object) -> Incident:
    verdict = DrainVerdict.PENDING if phase is not Phase.DRAINED else DrainVerdict.DROPPED
    experiment = Experiment(NOW - 20.0, 0.25, 0.3, 0.0, effective=NOW - 10.0, verdict=verdict)
    made = incident_of("catalog-1", phase=phase, experiment=experiment, drain_expires=NOW + 200.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def remembered(one: Incident, **changes: object) -> Memory:
    made = Memory(
        incidents={one.id: one},
        baselines={one.id: Baseline(serving=3, desired=4, labelled=True)},
        label_writes={pod("catalog-1").ref: NOW - 60.0},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def pods(one: Incident) -> list:
    return [drained(pod("catalog-1"), one.id), *catalog(4)[1:]]


def acts(decisions: tuple[Decision, ...]) -> list[str]:
    return [one.reason for one in decisions if one.verdict is Verdict.ACT]


def test_nothing_changed_nothing_is_decided() -> None:
    one = standing()
    memory, decisions = floor_check(cluster(pods(one), [workload()]), remembered(one), SETTINGS, NOW)
    assert decisions == ()
    assert memory.incidents == {one.id: one}


@pytest.mark.parametrize(
    ("verdict", "reason"), [(DrainVerdict.PENDING, "cannot_tell"), (DrainVerdict.DROPPED, "expired")]
)
def test_expiry_gives_back(verdict: DrainVerdict, reason: str) -> None:
    one = standing(Phase.DRAINED, experiment=Experiment(NOW, 0.25, 0.3, 0.0, verdict=verdict))
    _, decisions = floor_check(cluster(pods(one), [workload()]), remembered(one), SETTINGS, NOW + 200.0)
    assert acts(decisions) == [reason]


def test_floor_holds_for_the_subset_too() -> None:
    """Two revisions behind one service: the drained pod's own revision must keep serving."""
    one = standing()
    old = [drained(pod("catalog-1", revision="v1"), one.id), pod("catalog-2", revision="v1", ready=False)]
    view = cluster([*old, *[replace(each, revision="v2") for each in catalog(6)[2:]]], [workload(desired=6)])
    _, decisions = floor_check(view, remembered(one), SETTINGS, NOW)
    assert acts(decisions) == ["serving_floor"]


def test_giving_back_is_asked_again_until_it_is_done_but_not_at_once() -> None:
    one = standing(drain_expires=NOW - 1.0)
    view, memory = cluster(pods(one), [workload()]), remembered(one)
    memory, decisions = floor_check(view, memory, SETTINGS, NOW)
    first = decisions[0]
    assert first.action is not None
    memory, _ = apply_outcome(memory, first, Outcome(first.action.id, Result.DEFERRED, "unreadable"), NOW, SETTINGS)
    memory, soon = floor_check(view, memory, SETTINGS, NOW + 1.0)
    assert acts(soon) == []
    memory, later = floor_check(view, memory, SETTINGS, NOW + SETTINGS.tick)
    assert acts(later) == ["cannot_tell"]
    assert later[0].action is not None
    assert later[0].action.id != first.action.id


def test_label_that_the_watch_has_not_shown_yet_is_not_missed() -> None:
    one = standing(Phase.DRAINING)
    memory = remembered(one, baselines={}, label_writes={pod("catalog-1").ref: NOW - 1.0})
    view = cluster(catalog(4), [workload()])
    after, decisions = floor_check(view, memory, SETTINGS, NOW)
    assert decisions == ()
    late, decisions = floor_check(view, after, SETTINGS, NOW + VIEW_LAG)
    assert late.incidents[one.id].closing == "restored_by_person"


def test_pod_that_is_gone_closes() -> None:
    one = standing()
    memory, decisions = floor_check(cluster(catalog(4)[1:], [workload()]), remembered(one), SETTINGS, NOW)
    assert memory.incidents[one.id].closing == "pod_gone"
    assert acts(decisions) == []


def test_expiry_job_gave_it_back() -> None:
    one = standing(drain_expires=NOW - 5.0)
    memory, decisions = floor_check(cluster(catalog(4), [workload()]), remembered(one), SETTINGS, NOW)
    assert memory.incidents[one.id].closing == "expired"
    assert acts(decisions) == []


def test_orphan_is_given_back_under_the_incident_on_its_mark() -> None:
    view = cluster([drained(pod("catalog-1"), "lost"), *catalog(4)[1:]], [workload()])
    memory, decisions = recover(Memory(), view, NOW, SETTINGS)
    assert acts(decisions) == ["orphan"]
    first = decisions[0].action
    assert first is not None
    assert (first.action_kind, first.incident, first.dry_run) == (ActionKind.RESTORE, "lost", False)
    outcome = Outcome(first.id, Result.APPLIED, "applied")
    memory, _ = apply_outcome(memory, decisions[0], outcome, NOW, SETTINGS)
    _, again = recover(memory, view, NOW + 1.0, SETTINGS)
    assert acts(again) == []
    _, much_later = recover(memory, replace(view, fresh=dict.fromkeys(view.fresh, NOW + 60.0)), NOW + 60.0, SETTINGS)
    assert [one.action.attempt for one in much_later if one.action is not None] == [1]


def test_somebody_elses_drain_is_no_orphan() -> None:
    view = cluster([drained(pod("catalog-1"), ours=False), *catalog(4)[1:]])
    assert recover(Memory(), view, NOW, SETTINGS)[1] == ()


def test_recover_waits_for_a_view_of_what_was_just_looked_up() -> None:
    one = standing(Phase.DRAINING)
    memory = remembered(one, baselines={}, label_writes={pod("catalog-1").ref: NOW})
    memory, decisions = recover(memory, cluster(catalog(4), [workload()]), NOW, SETTINGS)
    assert decisions == ()
    assert memory.incidents[one.id].phase is Phase.DRAINING


@pytest.mark.parametrize(
    ("note", "incident"),
    [('{"incident": "i7"}', "i7"), ("", ""), ("not json", ""), ("[1]", ""), ('{"incident": null}', "")],
)
def test_mark_is_read_leniently(note: str, incident: str) -> None:
    assert incident_of_mark(pod(annotations={names.DRAIN_ANNOTATION: note})) == incident
