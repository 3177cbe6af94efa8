"""The engine decides what it did in 0.1.0: a cheap part of the streams; ``python -m tests.streams compare`` has all."""

from __future__ import annotations

import pytest

from tests.streams.scenes import Scene, scenes
from tests.streams.stored import Words, differences, read
from tests.streams.tap import Row, Value

CHEAP = [one for one in scenes() if one.cheap]
STORED = read(more=False)


@pytest.mark.parametrize("scene", CHEAP, ids=lambda scene: scene.name)
def test_a_scene_is_decided_as_it_was(scene: Scene) -> None:
    assert not list(differences(scene.name, STORED[scene.name], scene.rows(), Words.of_the_tree()))


def test_every_scene_is_stored_and_nothing_else() -> None:
    assert [one.name for one in scenes()] == list(STORED)
    assert [one.name for one in scenes(more=True) if one.more] == list(read(more=True))


def test_words_go_through_the_list_of_old_names_and_figures_through_nine_digits() -> None:
    words = Words([("held", "blocked"), ("nats", "score"), ("nats", "evidence_score")])
    old: Row = ["decide", 1.0, "held", {"nats": 0.123456789, "why": "pod shop/a held 0.5, unknown 0.1"}]
    new = _row(0.1234567891)
    assert words.same(old, new)
    assert not Words().same(old, new)
    for wrong in (0.1234568, "0.123456789", True, None):
        assert not words.same(old, _row(wrong))
    assert not words.same(old, _row(0.123456789, more=1.0))
    assert list(differences("one", [old], [new[:2]], words)) != []
    assert list(differences("one", [old], [new, new], words)) == ["one: 2 rows where there were 1"]


def _row(score: Value, **more: Value) -> Row:
    why = "pod shop/a blocked 0.5, unknown 0.1"
    return ["decide", 1.0, "blocked", {"evidence_score": score, "why": why, **more}]
