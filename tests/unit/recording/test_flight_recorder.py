"""The flight recorder keeps bounded files, each replayable alone, and never disturbs the loop."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from observer.engine.memory import Memory
from observer.recording.events import Began, EvidenceSaved, Restored
from observer.recording.files import Recording
from observer.recording.replay import replay
from observer.runtime.flight_recorder import FlightRecorder


def began(at: float) -> Began:
    return Began(at, Memory())


def test_full_files_are_followed_and_only_the_newest_stay(tmp_path: Path) -> None:
    recorder = FlightRecorder(tmp_path / "flight", max_bytes=3_000, keep=2)
    for number in range(60):
        recorder.note(EvidenceSaved(float(number), f"incident-{number}", "folder"), began(float(number)))
    recorder.close()
    assert len(recorder.files) == 2
    assert sorted(tmp_path.joinpath("flight").iterdir()) == sorted(recorder.files)
    for path in recorder.files:
        with Recording(path) as recording:
            assert list(replay(recording.events())) == []


def test_files_of_earlier_runs_count_too(tmp_path: Path) -> None:
    """A daemon that restarts every minute must not fill the disk."""
    for at in (9.0, 10.0, 11.0, 100.0):
        recorder = FlightRecorder(tmp_path, max_bytes=1 << 20, keep=2)
        recorder.note(Restored(at, (), ()), began(at))
        recorder.close()
    (tmp_path / "mine.rec").write_text("named by a person")

    recorder = FlightRecorder(tmp_path, max_bytes=1 << 20, keep=2)
    recorder.note(Restored(200.0, (), ()), began(200.0))
    recorder.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["100000.rec", "200000.rec", "mine.rec"]


def test_what_cannot_be_recorded_stops_the_recorder_and_not_the_loop(tmp_path: Path) -> None:
    recorder = FlightRecorder(tmp_path, max_bytes=1 << 20, keep=2)
    recorder.note(Restored(1.0, (), ()), began(1.0))
    with capture_logs() as told:
        for at in (2.0, 3.0):
            recorder.note(EvidenceSaved(at, "incident", "\ud800 is half a letter"), began(at))
    recorder.close()
    assert [line["event"] for line in told] == ["recording_failed"]
    assert "EvidenceSaved cannot be recorded" in told[0]["detail"]


def test_it_begins_with_what_holds_after_the_first_event(tmp_path: Path) -> None:
    recorder = FlightRecorder(tmp_path, max_bytes=1 << 20, keep=1)
    recorder.note(Restored(1.0, (), ()), began(1.0))
    recorder.close()
    with Recording(recorder.files[0]) as recording:
        assert [type(event) for event in recording.events()] == [Began]


def test_a_folder_that_cannot_be_made_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    recorder = FlightRecorder(tmp_path / "taken", max_bytes=1 << 20, keep=1)
    with capture_logs() as told:
        for at in (1.0, 2.0, 3.0):
            recorder.note(EvidenceSaved(at, "incident", "folder"), began(at))
    assert [line["event"] for line in told] == ["recording_failed"]
    assert "taken" in told[0]["detail"]


@pytest.mark.parametrize("same", [True, False])
def test_a_file_of_that_name_is_never_overwritten(tmp_path: Path, *, same: bool) -> None:
    at = 5.0
    (tmp_path / ("5000.rec" if same else "6000.rec")).write_text("kept")
    recorder = FlightRecorder(tmp_path, max_bytes=1 << 20, keep=3)
    with capture_logs() as told:
        recorder.note(EvidenceSaved(at, "incident", "folder"), began(at))
    recorder.close()
    assert bool(told) is same
    assert (tmp_path / ("5000.rec" if same else "6000.rec")).read_text() == "kept"
