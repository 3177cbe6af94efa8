"""Laws of inheritance: order never matters, the most specific wins, and every value has a place."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from observer.config.policies.document import Place, Policy, Selector, Subject, Value
from observer.config.policies.inherit import BUILT_IN, base_values, inside, resolve
from observer.config.policies.keys import paths
from observer.config.settings.read import default
from observer.domain.ids import WorkloadRef

BASE = base_values(default())
FIELDS = sorted(set(paths()))
ENABLED = {"observer.dev/enabled": "true"}

some_labels = st.dictionaries(st.sampled_from(["app", "team"]), st.sampled_from(["a", "b"]), max_size=2)
selectors = st.builds(
    Selector,
    namespaces=st.sets(st.sampled_from(["shop", "pay"]), max_size=2).map(lambda found: tuple(sorted(found))),
    namespace_labels=some_labels,
    names=st.sets(st.sampled_from(["cart", "web"]), max_size=2).map(lambda found: tuple(sorted(found))),
    labels=some_labels,
    kinds=st.sampled_from([(), ("Deployment",)]),
)
subjects = st.builds(
    Subject,
    ref=st.builds(
        WorkloadRef, st.sampled_from(["shop", "pay"]), st.just("Deployment"), st.sampled_from(["cart", "web"])
    ),
    labels=some_labels,
    namespace_labels=some_labels.map(lambda found: found | ENABLED),
)


@st.composite
def policy_sets(draw: st.DrawFn) -> list[Policy]:
    found = []
    for number in range(draw(st.integers(0, 6))):
        place = Place(f"{draw(st.sampled_from('ab'))}.yaml", 10 * number + 1)
        keys = draw(st.sets(st.sampled_from(FIELDS), min_size=1, max_size=4))
        values = {key: Value(f"{key} of {number}", place, f"p{number}") for key in keys}
        found.append(Policy(f"p{number}", place, draw(selectors), values, own=draw(st.booleans())))
    return found


@given(policy_sets(), subjects, st.integers())
def test_the_order_of_files_does_not_matter(policies: list[Policy], subject: Subject, seed: int) -> None:
    shuffled = policies.copy()
    random.Random(seed).shuffle(shuffled)

    assert resolve(shuffled, subject, BASE) == resolve(policies, subject, BASE)


@given(policy_sets(), subjects)
def test_the_most_specific_wins_and_every_value_has_a_place(policies: list[Policy], subject: Subject) -> None:
    found = resolve(policies, subject, BASE)

    assert list(found.values) == list(paths())
    for path, value in found.values.items():
        setters = [one for one in policies if path in one.values and one.selector.matches(subject)]
        best = max((one.rank for one in setters), default=None)
        winners = [one for one in setters if one.rank == best]
        if not setters:
            assert value is BASE[path] and value.place is BUILT_IN
        else:
            assert value in [one.values[path] for one in winners]
            assert value.place.line > 0 and value.policy
        assert (len(winners) > 1) == any(tie.path == path for tie in found.ties)


@given(policy_sets(), subjects)
def test_a_policy_that_does_not_reach_a_workload_changes_nothing(policies: list[Policy], subject: Subject) -> None:
    reaching = [one for one in policies if one.selector.matches(subject)]

    assert resolve(policies, subject, BASE) == resolve(reaching, subject, BASE)


@given(selectors, selectors, subjects)
def test_what_a_selector_covers_it_matches(one: Selector, other: Selector, subject: Subject) -> None:
    if one.covers(other) and other.matches(subject):
        assert one.matches(subject)


@given(selectors, selectors)
def test_nearer_levels_outrank_wider_ones(one: Selector, other: Selector) -> None:
    if one.level < other.level:
        assert one.rank(own=True) < other.rank(own=False)


@given(st.text("abc-", min_size=1, max_size=12), st.floats(0, 100), st.floats(0, 100))
def test_raising_the_percentage_only_adds_workloads(name: str, low: float, high: float) -> None:
    ref = WorkloadRef("shop", "Deployment", name)
    low, high = sorted((low, high))

    assert inside(ref, high) or not inside(ref, low)
    assert inside(ref, 100.0) and not inside(ref, 0.0)


def test_the_percentage_is_met_by_many_workloads() -> None:
    hit = sum(inside(WorkloadRef("shop", "Deployment", f"w{number}"), 25.0) for number in range(4000))

    assert 0.22 < hit / 4000 < 0.28
