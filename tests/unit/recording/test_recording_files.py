"""A recording gives back what went in, and says clearly what is wrong with a file that is none."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from observer.domain.action import Mode
from observer.domain.decision import Decision, Verdict
from observer.domain.errors import RecordingError
from observer.domain.kinds import Kind
from observer.domain.outcome import Outcome, Result
from observer.domain.settings import EngineSettings
from observer.engine.decide import decide
from observer.engine.memory import Memory
from observer.recording.codec import Codec
from observer.recording.events import Began, EvidenceSaved, RulesInForce, Settled, Ticked
from observer.recording.files import ANEW_EVERY, Recording, RecordingWriter
from observer.recording.replay import Step, canonical, replay
from tests.support.recorded_events import ENFORCE, story, written


def steps(path: Path, settings: EngineSettings | None = None) -> list[Step]:
    with Recording(path) as recording:
        what_if = None if settings is None else lambda _recorded, _cluster: RulesInForce(settings)
        return list(replay(recording.events(), what_if))


def test_the_same_decisions_come_out_byte_for_byte(tmp_path: Path) -> None:
    events = story()
    again = steps(written(tmp_path / "a.rec", events))
    told = [d for step in again for d in step.recorded]
    assert {"suspected", "drain"} <= {d.kind for d in told}, "the story holds nothing worth recording"
    assert any(isinstance(event, Settled) for event in events)
    assert any(d.figures.get("attribution_probability") for d in told), "nobody was asked who is to blame"
    assert all(step.same for step in again)
    assert canonical(tuple(told)) == canonical(tuple(d for step in again for d in step.replayed))


def test_a_recording_that_begins_in_the_middle_goes_on_alike(tmp_path: Path) -> None:
    """The detectors' own state is part of it."""
    events = story()
    middle = next(
        i for i, e in enumerate(events) if isinstance(e, Ticked) and any(d.kind == "drain" for d in e.decisions)
    )
    memory = Memory()
    for event in events[1 : middle - 3]:
        if isinstance(event, Ticked):
            memory, _ = decide(event.snapshot, memory, ENFORCE)
    began = Began(0.0, memory)
    again = steps(written(tmp_path / "a.rec", (began, *events[middle - 3 :])))
    assert any(d.kind == "drain" for step in again for d in step.replayed)
    assert all(step.same for step in again)


def test_sharing_is_forgotten_in_step(tmp_path: Path) -> None:
    events = story()
    repeated = events[:1] + tuple(e for e in events if isinstance(e, Ticked))[:40] * (ANEW_EVERY // 40 + 2)
    with Recording(written(tmp_path / "a.rec", repeated)) as recording:
        back = list(recording.events())
    assert len(back) == len(repeated) > ANEW_EVERY
    for before, after in zip(repeated[1:], back[1:], strict=True):
        assert isinstance(before, Ticked) and isinstance(after, Ticked)
        assert before.snapshot.counters is not None and after.snapshot.counters is not None
        np.testing.assert_array_equal(before.snapshot.counters.requests, after.snapshot.counters.requests)


def test_other_settings_show_what_they_would_have_decided(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", story())
    shy = replace(ENFORCE, mode=Mode.SHADOW)
    again = steps(path, shy)
    acted = [d for step in again for d in step.replayed if d.verdict is Verdict.ACT]
    would = [d for step in again for d in step.replayed if d.verdict is Verdict.WOULD]
    assert not acted
    assert would
    assert not all(step.same for step in again)


def test_an_act_of_the_what_if_alone_is_answered(tmp_path: Path) -> None:
    """Recorded in shadow, asked again in enforce: the acts happen nowhere, so they are deferred, not left open."""
    path = written(tmp_path / "a.rec", story(settings=replace(ENFORCE, mode=Mode.SHADOW)))
    again = steps(path, ENFORCE)
    acts = [d for step in again for d in step.replayed if d.verdict is Verdict.ACT]
    assert acts
    held = [d for step in again for d in step.replayed if d.kind == "blocked"]
    assert any(hold.reason == "deferred" for d in held for hold in d.blocked_by)


def test_evidence_is_part_of_what_follows(tmp_path: Path) -> None:
    events = story()
    held = next(d.incident for e in events if isinstance(e, Ticked) for d in e.decisions if d.kind == "suspected")
    last = events[-1]
    assert isinstance(last, Ticked)
    path = written(tmp_path / "a.rec", (*events, EvidenceSaved(0.0, held, "evidence/1"), last))
    assert len(steps(path)) == len(events)


def test_a_cut_recording_is_read_up_to_its_last_whole_frame(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", story())
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with Recording(path) as recording:
        found = list(recording.events())
        assert recording.cut
    assert 0 < len(found) < len(story())


def test_it_is_much_smaller_than_what_it_holds(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", story())
    plain = sum(len(repr(event)) for event in story())
    assert path.stat().st_size * 10 < plain


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no recording of Observer"),
        (b"PK\x03\x04 something else\n", "is no recording of Observer"),
        (b'{"format": "observer-recording", "version": 99, "observer": "7.0", "began": 0, "types": {}}\n', "newer"),
        (b'{"format": "observer-recording", "version": 1, "observer": "0.1", "began": 0, "types": {}}\nxx', "damaged"),
    ],
)
def test_what_is_no_recording_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.rec"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=words) as found:
        steps(path)
    assert str(path) in str(found.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"nowhere\.rec: cannot be read: No such file"):
        Recording(tmp_path / "nowhere.rec")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", story()[:2])
    with pytest.raises(RecordingError, match="File exists"):
        RecordingWriter(path, version="0.0", at=1.0)


def _with_types(path: Path, change: dict[str, list[str] | None]) -> Path:
    line, _, rest = path.read_bytes().partition(b"\n")
    header = json.loads(line)
    for name, fields in change.items():
        header["types"][name] = fields
    path.write_bytes(json.dumps(header).encode() + b"\n" + rest)
    return path


def test_a_field_that_came_later_takes_its_default(tmp_path: Path) -> None:
    packed = Codec().pack(Outcome("a", Result.APPLIED, "b"), Outcome)
    assert isinstance(packed, list)
    old = packed[:4]
    assert Codec({"Outcome": ["action_id", "result", "reason", "detail"]}).unpack(old, Outcome) == Outcome(
        "a", Result.APPLIED, "b"
    )


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"version": 99}, "is of format 99, written by Observer 0.0; this one reads up to 2: use a newer Observer"),
        ({"version": 0}, "is of format '0', which never was"),
        ({"version": 1.5}, "is of format '1.5', which never was"),
        ({"version": float("inf")}, "which never was"),
        ({"version": None}, "which never was"),
        ({"format": "x" * 999}, "is no recording of Observer but of 'x{60}'$"),
        ({"began": float("nan")}, "does not say when it began"),
        ({"types": 3}, "is no recording of Observer"),
        ({"types": {"Began": 3}}, "is no recording of Observer"),
        ({"types": {"Began": [["at"], {}]}}, "is no recording of Observer"),
    ],
)
def test_a_header_that_cannot_be_is_refused(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    path = written(tmp_path / "a.rec", story()[:3])
    header, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps({**json.loads(header), **changes}).encode() + b"\n" + rest)
    with pytest.raises(RecordingError, match=told):
        steps(path)


@pytest.mark.parametrize("line", [b"[" * 900_000, b'{"types":' * 90_000, b"", b"\xff\xfe", b"[]", b"null"])
def test_what_is_no_header_is_refused(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.rec"
    path.write_bytes(line + b"\n")
    with pytest.raises(RecordingError, match="is no recording of Observer"):
        steps(path)


def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_frame(tmp_path: Path) -> None:
    """What a crash or a full disk leaves, at every place where it may stop."""
    events = story()[:8]
    whole = written(tmp_path / "whole.rec", events).read_bytes()
    begin = whole.index(b"\n") + 1
    told = steps(tmp_path / "whole.rec")
    seen = set()
    for at in (*range(begin, len(whole), max((len(whole) - begin) // 40, 1)), len(whole) - 1):
        path = tmp_path / "cut.rec"
        path.write_bytes(whole[:at])
        with Recording(path) as recording:
            again = list(replay(recording.events()))
            assert recording.cut
        assert all(step.same for step in again)
        assert [canonical(step.replayed) for step in again] == [canonical(step.replayed) for step in told[: len(again)]]
        seen.add(len(again))
    assert {0, len(told)} <= seen
    assert len(seen) > 3


@pytest.mark.parametrize("bit", range(0, 8, 3))
def test_a_damaged_file_is_refused_or_read_and_never_breaks(tmp_path: Path, bit: int) -> None:
    whole = written(tmp_path / "whole.rec", story()[:6]).read_bytes()
    begin = whole.index(b"\n") + 1
    refused = 0
    for at in range(begin, len(whole), max((len(whole) - begin) // 25, 1)):
        path = tmp_path / "damaged.rec"
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
        try:
            assert all(step.same or step.recorded for step in steps(path))
        except RecordingError:
            refused += 1
    assert refused > 5


def test_a_field_that_is_gone_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", story()[:3])
    fields = json.loads(path.read_bytes().partition(b"\n")[0])["types"]["Memory"]
    _with_types(path, {"Memory": [*fields[:-1], "forgotten"]})
    with pytest.raises(RecordingError, match="Memory was recorded with forgotten, which this version lacks"):
        steps(path)


def test_a_frame_that_is_no_event_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", ())
    header = path.read_bytes().partition(b"\n")[0]
    path.write_bytes(header + b"\n" + zlib.compress(b"\x00\x00\x00\x02\x92\x07"))
    with pytest.raises(RecordingError, match="frame 1"):
        steps(path)


def test_it_must_say_what_it_began_with(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", story()[1:3])
    with pytest.raises(RecordingError, match="does not say what it began with"):
        steps(path)


def test_decisions_that_differ_by_one_digit_are_not_the_same() -> None:
    one = Decision("1", 0.0, Kind.BLOCKED, Verdict.BLOCKED, "pod a", "r", "t", figures={"evidence_score": 1.0})
    other = replace(one, figures={"evidence_score": 1.0000001})
    assert not Step(0.0, (one,), (other,)).same
    assert Step(0.0, (one,), (replace(one),)).same
