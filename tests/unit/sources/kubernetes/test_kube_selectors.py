"""Label selectors and their index."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.sources.kubernetes.index import Selector, SelectorIndex, Term
from observer.sources.kubernetes.wire import LabelSelector, Requirement

keys, values = st.sampled_from("abcd"), st.sampled_from("xyz")
labels_of = st.dictionaries(keys, values)
terms = st.builds(
    Term, keys, st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]), st.frozensets(values, max_size=2)
)
selectors = st.builds(
    Selector, labels_of.map(lambda found: tuple(sorted(found.items()))), st.lists(terms, max_size=2).map(tuple)
)


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("app=istiod", {"app": "istiod"}, {"app": "x"}),
        ("app==istiod, tier=a", {"app": "istiod", "tier": "a"}, {"app": "istiod"}),
        ("app!=x", {}, {"app": "x"}),
        ("app", {"app": ""}, {}),
        ("!app", {"b": "c"}, {"app": "x"}),
    ],
)
def test_the_text_form(text: str, matching: dict[str, str], other: dict[str, str]) -> None:
    assert Selector.of_text(text).matches(matching)
    assert not Selector.of_text(text).matches(other)


def test_what_is_not_understood_is_refused() -> None:
    with pytest.raises(ValueError, match="only =, ==, !="):
        Selector.of_text("app in (a, b)")


def test_expressions_as_kubernetes_means_them() -> None:
    found = Selector.of_wire(
        LabelSelector({"app": "web"}, [Requirement("tier", "NotIn", ["batch"]), Requirement("old", "DoesNotExist")])
    )
    assert found.matches({"app": "web"})
    assert found.matches({"app": "web", "tier": "front"})
    assert not found.matches({"app": "web", "tier": "batch"})
    assert not found.matches({"app": "web", "old": ""})
    assert Selector().matches({"any": "thing"})


def test_an_unknown_operator_matches_nothing() -> None:
    assert not Selector.of_wire(LabelSelector(None, [Requirement("a", "Gt", ["1"])])).matches({"a": "2"})


@given(st.dictionaries(st.text("pqrs", min_size=1, max_size=2), selectors, max_size=6), labels_of)
def test_the_index_finds_what_trying_all_finds(named: dict[str, Selector], labels: dict[str, str]) -> None:
    expected = tuple(sorted(name for name, selector in named.items() if selector.matches(labels)))
    assert SelectorIndex(named.items()).matching(labels) == expected
