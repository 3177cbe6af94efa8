"""Who is compared with whom, and which place explains more than its pods."""

from __future__ import annotations

from observer.domain.suspect import CulpritKind
from observer.engine.detect.comparison_groups import ComparisonGroups, carried, comparison_of, contest, pods_of
from tests.support.builders import catalog, cluster, pod
from tests.support.judging import Feed


def _comparison(*nodes: str) -> ComparisonGroups:
    pods = [pod(f"catalog-{i}", node=node) for i, node in enumerate(nodes)]
    feed = Feed(pods)
    feed.did(dict.fromkeys((one.ref.name for one in pods), (1.0, 0.0)))
    return comparison_of(cluster(pods), feed.frame(), ComparisonGroups())


def test_a_group_must_beat_its_best_pod_by_the_margin() -> None:
    comparison = _comparison("a", "a", "b", "b")
    group = len(comparison.refs)
    assert comparison.culprit(group).kind is CulpritKind.NODE
    assert pods_of(comparison, group).tolist() == [0, 1]

    clear = contest(comparison, [0, group], {0: 10.0, group: 14.0}.__getitem__, 3.0)
    near = contest(comparison, [0, group], {0: 12.0, group: 14.0}.__getitem__, 3.0)
    far = contest(comparison, [0, group], {0: 20.0, group: 14.0}.__getitem__, 3.0)

    assert clear.winners == (group,) and clear.beaten == {group: (0, 1)}
    assert near.winners == (0,) and near.near == {0: group}
    assert far.winners == (0,) and far.near == {}


def test_groups_are_neither_single_pods_nor_whole_services() -> None:
    assert not [one for one in _comparison("a", "b", "c").groups if one.kind is CulpritKind.NODE]
    assert not [one for one in _comparison("a", "a", "a").groups if one.kind is CulpritKind.NODE]


def test_a_roster_is_kept_while_nothing_moved_and_carries_rows_when_it_did() -> None:
    pods = catalog(3)
    feed = Feed(pods)
    feed.did(dict.fromkeys((one.ref.name for one in pods), (1.0, 0.0)))
    view, frame = cluster(pods), feed.frame()
    first = comparison_of(view, frame, ComparisonGroups())
    assert comparison_of(view, frame, first) is first

    fewer = comparison_of(cluster([pods[2], pods[0]]), frame, first)
    assert [ref.name for ref in fewer.refs] == ["catalog-1", "catalog-3"]
    assert carried(fewer, first).tolist()[:2] == [0, 2]


def test_a_pod_that_is_being_deleted_or_has_no_sidecar_is_no_sibling() -> None:
    pods = [*catalog(2), pod("catalog-8", deleting=True), pod("catalog-9", sidecar=False)]
    feed = Feed(pods)
    feed.did(dict.fromkeys((one.ref.name for one in pods), (1.0, 0.0)))
    assert [ref.name for ref in comparison_of(cluster(pods), feed.frame(), ComparisonGroups()).refs] == [
        "catalog-1",
        "catalog-2",
    ]
