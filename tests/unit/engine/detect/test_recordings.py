"""What really happened on a mesh, replayed: each recording must give its truth, also renamed, shuffled and thinned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from observer.domain.settings import EngineSettings
from observer.domain.suspect import CulpritKind, Suppression, Suspect, Symptom, Tier
from tests.support.recordings import Replay, load

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "as recorded": {},
    "five-second ticks": {"tick": 5.0},
    "renamed and shuffled": {"rename": True, "order": 11},
    "renamed, shuffled, thinned by half": {"rename": True, "order": 5, "thin": 0.5},
}


@dataclass
class Story:
    """What the judges said in one replay; times are seconds since the fault."""

    replay: Replay
    suspects: list[tuple[float, Suspect]] = field(default_factory=list)
    suppressions: list[tuple[float, Suppression]] = field(default_factory=list)
    incomplete: int = 0
    ticks: int = 0

    def pods(self, tier: Tier) -> set[str]:
        """Names of pods that could have been acted on at ``tier``."""
        return {
            one.culprit.name
            for _, one in self.suspects
            if one.culprit.kind is CulpritKind.POD and one.impact and min(one.tier, one.ceiling) >= tier
        }

    def first(self, name: str, tier: Tier) -> float:
        return min(at for at, one in self.suspects if one.culprit.name == name and one.tier >= tier)

    def cause(self, service: str) -> set[str]:
        """Whom the last tick blamed for a suppressed service."""
        end = max((at for at, _ in self.suppressions), default=0.0)
        return {
            str(one.cause) for at, one in self.suppressions if at == end and one.service.name == service and one.cause
        }


def reported(name: str, changes: Mapping[str, Any]) -> Story:
    """The story of one replay; told once, as it is the same every time."""
    return _reported(name, tuple(sorted(changes.items())))


@cache
def _reported(name: str, changes: tuple[tuple[str, Any], ...]) -> Story:
    return replayed(name, dict(changes))


def replayed(name: str, changes: Mapping[str, Any]) -> Story:
    replay = Replay(load(name), **changes)
    story = Story(replay)
    for at, judgement in replay.judged(EngineSettings(tick=replay.tick)):
        story.ticks += 1
        story.incomplete += not judgement.complete
        story.suspects += [(at, one) for one in judgement.suspects]
        story.suppressions += [(at, one) for one in judgement.suppressions]
    return story


@pytest.fixture(params=list(CHANGES), ids=list(CHANGES))
def changes(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return CHANGES[request.param]


@pytest.mark.parametrize(
    ("name", "within"), [("gray-pod", 45.0), ("gray-pod-evicted", 45.0), ("gray-pod-drained", 25.0)]
)
def test_a_gray_pod_is_found_and_nobody_else_is(name: str, within: float, changes: Mapping[str, Any]) -> None:
    story = reported(name, changes)
    culprit = story.replay.name(str(story.replay.recording.truth["pod"]))

    assert story.pods(Tier.EVICT) == {culprit}
    assert story.pods(Tier.DRAIN) == {culprit}
    assert 0.0 < story.first(culprit, Tier.DRAIN) <= story.first(culprit, Tier.EVICT) <= within
    assert all(one.evidence.symptom is Symptom.ERRORS for _, one in story.suspects if one.culprit.name == culprit)
    assert story.ticks >= 20
    assert story.incomplete == 0


def test_a_slow_pod_is_found_by_latency(changes: Mapping[str, Any]) -> None:
    story = reported("slow-pod", changes)
    culprit = story.replay.name(str(story.replay.recording.truth["pod"]))
    found = [one for _, one in story.suspects if one.culprit.name == culprit]

    assert story.pods(Tier.DRAIN) == {culprit}
    assert {one.evidence.symptom for one in found} == {Symptom.LATENCY}
    assert found[-1].evidence.latency_excess_ms > 100.0
    assert story.first(culprit, Tier.EVICT) < 45.0


def test_a_bad_revision_wins_over_its_pods(changes: Mapping[str, Any]) -> None:
    story = reported("bad-revision", changes)
    named = {(one.culprit.kind, one.culprit.name, one.ceiling) for _, one in story.suspects if one.tier >= Tier.DRAIN}

    assert story.pods(Tier.DRAIN) == set()
    assert named == {(CulpritKind.REVISION, "pay-v2", Tier.ANNOTATE)}
    assert all("pay-v2" in member.name or story.replay._rename for one in story.suspects for member in one[1].also)


def test_a_bad_dependency_names_the_store_and_acts_on_nobody(changes: Mapping[str, Any]) -> None:
    story = reported("bad-dependency", changes)

    assert story.pods(Tier.DRAIN) == set()
    for service in ("store", "catalog", "cart", "front"):
        assert story.cause(service) == {"workload shop/store"}
    reasons = {(one.service.name, one.reason) for at, one in story.suppressions if at > 60.0}
    assert {("store", "workload_failing"), ("front", "inherited")} <= reasons


def test_a_surge_is_nobodys_fault(changes: Mapping[str, Any]) -> None:
    story = reported("surge", changes)

    assert story.pods(Tier.DRAIN) == set()
    assert story.suppressions == []
    assert story.ticks >= 20


def test_front_is_a_victim_and_never_a_culprit(changes: Mapping[str, Any]) -> None:
    for name in ("gray-pod", "bad-dependency", "bad-revision", "gray-pod-drained"):
        story = reported(name, changes)
        assert not [one for _, one in story.suspects if one.culprit.service and one.culprit.service.name == "front"]
        assert not [one for _, one in story.suppressions if one.cause and one.cause.name.startswith("front")]


def test_the_same_recording_gives_the_same_judgement_twice() -> None:
    first, again = reported("gray-pod", {"tick": 5.0}), replayed("gray-pod", {"tick": 5.0})

    assert first.suspects == again.suspects
    assert first.suppressions == again.suppressions
