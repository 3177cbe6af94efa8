"""``observer replay`` as a person runs it: a proof, a what-if, and files that prove nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from observer.cli.main import app, main
from observer.domain.decision import Decision
from observer.recording.events import Event, Ticked
from tests.support.recorded_events import story, written


def replayed(path: Path, *words: str, code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["replay", str(path), *words, "--json"])
    assert done.exit_code == code, done.output
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def altered(events: Iterable[Event], change: dict[str, Any]) -> tuple[Event, ...]:
    """The same story in which every decision was recorded otherwise."""
    return tuple(
        replace(one, decisions=tuple(replace(each, **change) for each in one.decisions))
        if isinstance(one, Ticked)
        else one
        for one in events
    )


def rules(folder: Path, **settings: object) -> Path:
    path = folder / "settings.yaml"
    path.write_text(json.dumps({"policies": [], **settings}))
    return path


def test_the_same_observer_decides_the_same(tmp_path: Path) -> None:
    path = written(tmp_path / "a.rec", story())
    body = replayed(path)
    assert (body["same"], body["cut"], body["what_if"], body["different_steps"]) == (True, False, False, 0)
    assert isinstance(body["decisions"], int) and body["decisions"] > 5

    done = CliRunner().invoke(app, ["replay", str(path)])
    assert done.stdout.splitlines()[-1] == "the same decisions, byte for byte"


@pytest.mark.parametrize(
    ("change", "fields"), [({"text": "something else"}, ["text"]), ({"config": "0000"}, ["config"])]
)
def test_one_that_decides_otherwise_fails_and_says_where(
    tmp_path: Path, change: dict[str, Any], fields: list[str]
) -> None:
    """Even where both read alike: then the fields that differ are named."""
    path = written(tmp_path / "a.rec", altered(story(), change))
    body = replayed(path, code=1)
    differences = body["differences"]
    assert isinstance(differences, list)
    rows = [row for one in differences for row in (*one["recorded"], *one["replayed"])]
    assert rows and all(row["differs"] == fields for row in rows)

    text = CliRunner().invoke(app, ["replay", str(path)]).stdout
    assert "this Observer decides otherwise than the one that recorded" in text
    assert ("[other config]" in text) is (fields == ["config"])


def test_another_order_is_not_the_same(tmp_path: Path) -> None:
    def turned(decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
        return decisions[::-1]

    events = tuple(replace(e, decisions=turned(e.decisions)) if isinstance(e, Ticked) else e for e in story())
    assert any(isinstance(e, Ticked) and len(e.decisions) > 1 for e in events), "nothing to turn round"
    body = replayed(written(tmp_path / "a.rec", events), code=1)
    assert body["same"] is False
    assert "[other order]" in CliRunner().invoke(app, ["replay", str(tmp_path / "a.rec")]).stdout


def test_a_what_if_shows_what_is_decided_otherwise_and_nothing_else(tmp_path: Path) -> None:
    """That every decision now bears the hash of other settings is no difference that a person asked for."""
    path = written(tmp_path / "a.rec", story())
    body = replayed(path, "--config", str(rules(tmp_path, mode="shadow", tick="1s")))
    assert body["what_if"] is True
    differences = body["differences"]
    assert isinstance(differences, list) and differences
    rows = [(row["verdict"], row["kind"]) for one in differences for row in one["replayed"]]
    assert ("would", "drain") in rows
    assert not any(kind == "suspected" for _, kind in rows)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_a_recording_that_a_crash_cut_is_replayed_as_far_as_it_goes(tmp_path: Path, share: float) -> None:
    whole = written(tmp_path / "whole.rec", story()).read_bytes()
    begin = whole.index(b"\n") + 1
    path = tmp_path / "cut.rec"
    path.write_bytes(whole[: begin + int(share * (len(whole) - begin))])
    if share:
        body = replayed(path)
        assert (body["same"], body["cut"]) == (True, True)
        assert "(its end is missing)" in CliRunner().invoke(app, ["replay", str(path)]).stdout
    else:
        assert "holds no tick, so it proves nothing; its end is missing" in refusal(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is no recording of Observer"),
        (b"time,service\n", "is no recording of Observer"),
        (b'{"format":"observer-recording","version":1,"obse', "was cut in its first line"),
        (
            b'{"format":"observer-recording","version":7,"observer":"9.0","began":1.0,"types":{}}\n',
            "is of format 7, written by Observer 9.0; this one reads up to 2: use a newer Observer",
        ),
    ],
)
def test_what_cannot_be_replayed_is_one_clear_line(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "a.rec"
    path.write_bytes(content)
    assert told in refusal(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    assert "no.rec: cannot be read: No such file or directory" in refusal(tmp_path / "no.rec")


def refusal(path: Path) -> str:
    """What stands on standard error: one line, and one that says what to do; exit code 2."""
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["observer", "replay", str(path)])
        patch.setattr("sys.stderr.write", lines.append)
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 2
    told = "".join(lines)
    first, *remedy = told.splitlines()
    assert str(path) in first
    assert len(remedy) == 1 and remedy[0].startswith("  -> ")
    return first
