"""The table of renames rewrites a folder: modules, names, keys, words; all at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.rename import apply
from tests.tools.renames import read

ROOT = Path(__file__).parents[3]
PACKAGE = "observer.engine.remediation"
LOG = f"{PACKAGE}.decision_log"
ROWS = """\
# kind\told\tnew\twhere
module\tobserver.engine.turn\tobserver.engine.remediation.decision_log
symbol\tobserver.engine.turn:incident_id\tobserver.engine.remediation.incidents:incident_id
name\tTurn\tDecisionLog
name\tevidence.nats\tevidence.score
name\tnats\tevidence_score
name\ttell\tpublish\tobserver/engine/**
name\tBlame\tAttribution
name\tAttribution\tRankedCause
key\trung\taction
metric\tobserver_told_total\tobserver_published_total
"""


def rewritten(tmp_path: Path, name: str, text: str) -> str:
    """What becomes of a file in a checkout that has this one file."""
    (tmp_path / "rows.tsv").write_text(ROWS)
    tree = tmp_path / "tree"
    path = tree / name
    path.parent.mkdir(parents=True)
    (tree / "observer").mkdir(exist_ok=True)
    path.write_text(text)
    apply(tree, read(tmp_path / "rows.tsv"))
    moved = tree / "observer/engine/remediation/decision_log.py"
    return (moved if not path.exists() else path).read_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from observer.engine.turn import Turn\n", f"from {LOG} import DecisionLog\n"),
        (
            "from observer.engine import choose, turn\n\nturn.Turn()\n",
            f"from observer.engine import choose\nfrom {PACKAGE} import decision_log\n\ndecision_log.DecisionLog()\n",
        ),
        (
            "from observer.engine.turn import (\n    Turn,\n    incident_id,\n)\n",
            f"from {LOG} import DecisionLog\nfrom {PACKAGE}.incidents import incident_id\n",
        ),
        ("from observer.domain.blame import Attribution, Blame\n",
         "from observer.domain.blame import Attribution, RankedCause\n"),
        ("import observer.engine.turn as log\n\nlog.Turn()\n", f"import {LOG} as log\n\nlog.DecisionLog()\n"),
        ('x = getattr(self.log, "nats", {})["rung"]\n', 'x = getattr(self.log, "evidence_score", {})["action"]\n'),
        ('x = getattr(acted(self), "rung", [])\n', 'x = getattr(acted(self), "rung", [])\n'),
        ("x = suspect.evidence.nats + incident.nats\n", "x = suspect.evidence.score + incident.evidence_score\n"),
        ('x = f"{evidence.nats:+.1f} nats {{rung}} {a[nats]!r:>{nats}}"\n',
         'x = f"{evidence.score:+.1f} nats {{rung}} {a[evidence_score]!r:>{evidence_score}}"\n'),
        ('x = {"rung": 1, "a rung": tell}\n', 'x = {"action": 1, "a rung": tell}\n'),
        ('x = "sum(rate(observer_told_total[5m]))"\n', 'x = "sum(rate(observer_published_total[5m]))"\n'),
        ('parametrize("nats", [])\n', 'parametrize("evidence_score", [])\n'),
        ('parametrize(("bad", "nats"), ["nats"])\n', 'parametrize(("bad", "evidence_score"), ["nats"])\n'),
        ('"""A ``Turn`` of nats."""\n', '"""A ``DecisionLog`` of nats."""\n'),
        ('x = "observer.engine.turn"\n', 'x = "observer.engine.remediation.decision_log"\n'),
    ],
)  # fmt: skip
def test_python(tmp_path: Path, old: str, new: str) -> None:
    assert rewritten(tmp_path, "tests/test_it.py", old) == new


def test_globs_bind_a_row(tmp_path: Path) -> None:
    assert rewritten(tmp_path, "observer/engine/a.py", "tell()\n") == "publish()\n"


def test_a_module_moves_with_its_package(tmp_path: Path) -> None:
    assert rewritten(tmp_path, "observer/engine/turn.py", "class Turn: ...\n") == "class DecisionLog: ...\n"
    assert (tmp_path / "tree/observer/engine/remediation/__init__.py").exists()


def test_texts_are_rewritten_by_whole_words(tmp_path: Path) -> None:
    assert rewritten(tmp_path, "rules/a.yaml", "rung: drain  # a rung\n") == "action: drain  # a rung\n"


def test_prose_is_left_alone_and_code_spans_are_not(tmp_path: Path) -> None:
    old = "A rung of `rung`, see `Turn.nats` and `observer/engine/turn.py`.\n"
    new = "A rung of `action`, see `DecisionLog.evidence_score` and `observer/engine/remediation/decision_log.py`.\n"
    assert rewritten(tmp_path, "docs/a.md", old) == new


def test_a_folder_outside_is_rewritten_in_place(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text(ROWS)
    folder = tmp_path / "scripts"
    folder.mkdir()
    (folder / "a.py").write_text("from observer.engine.turn import Turn\n")
    command = [sys.executable, "-m", "tests.tools.rename", "--rows", str(tmp_path / "rows.tsv"), "--apply", str(folder)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "1 files changed\n"
    assert (folder / "a.py").read_text() == "from observer.engine.remediation.decision_log import DecisionLog\n"


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("nome\ta\tb\n")
    with pytest.raises(ValueError, match=r"rows\.tsv:1: not a row"):
        read(tmp_path / "rows.tsv")


def test_what_the_table_names_is_there() -> None:
    rows = read().rows
    places = [row.new.partition(":")[0].replace(".", "/") for row in rows if row.kind in ("module", "symbol")]

    assert [place for place in places if not any((ROOT / f"{place}{end}").exists() for end in (".py", ""))] == []
    assert len({(row.kind, row.old, row.where) for row in rows}) == len(rows)
