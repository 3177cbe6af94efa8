"""Runs rule files in Debian's promtool and reads what they said at each step."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from observer.domain.counts import FloatArray

Labels = Mapping[str, str]


def check(folder: Path, *texts: str) -> str:
    """What ``promtool check rules`` says of each text as a file of its own; raises when it finds a fault."""
    files = [folder / f"checked-{i}.yaml" for i in range(len(texts))]
    for path, text in zip(files, texts, strict=True):
        path.write_text(text)
    done = subprocess.run(["promtool", "check", "rules", *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def series_values(values: FloatArray) -> str:
    """A series in promtool's words; NaN is a scrape that failed, which ends the series until it comes back."""
    words, alive = [], False
    for value in values.tolist():
        if np.isnan(value):
            words.append("stale" if alive else "_")
            alive = False
        else:
            words.append(f"{value:.17g}")
            alive = True
    return " ".join(words)


def answers(
    folder: Path,
    rules: Sequence[str],
    series: Sequence[tuple[str, FloatArray]],
    exprs: Sequence[str],
    *,
    step: int = 60,
) -> list[dict[str, list[tuple[dict[str, str], float]]]]:
    """
    For each step the answer of each expression, after the rules of that step were evaluated.

    promtool only compares, so every expectation is wrong on purpose and the difference is read.
    """
    names = []
    for i, text in enumerate(rules):
        (folder / f"rules-{i}.yaml").write_text(text)
        names.append(f"rules-{i}.yaml")
    steps = len(series[0][1])
    wrong = [{"labels": "never_seen", "value": 1}]
    test = {
        "rule_files": names,
        "evaluation_interval": f"{step}s",
        "tests": [
            {
                "interval": f"{step}s",
                "input_series": [{"series": name, "values": series_values(values)} for name, values in series],
                "promql_expr_test": [
                    {"expr": expr, "eval_time": f"{i * step}s", "exp_samples": wrong}
                    for i in range(steps)
                    for expr in exprs
                ],
            }
        ],
    }
    (folder / "test.yaml").write_text(json.dumps(test))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )
    return _read(done.stdout + done.stderr, steps, len(exprs), list(exprs))


def _read(text: str, steps: int, each: int, exprs: list[str]) -> list[dict[str, list[tuple[dict[str, str], float]]]]:
    found = re.findall(r'expr: ("(?:[^"\\]|\\.)*"), time: \S+\s+exp:\s*"?.*?"?\s+got:\s*(.*)', text)
    assert len(found) == steps * each, text[:2000]
    rows: list[dict[str, list[tuple[dict[str, str], float]]]] = []
    for i in range(steps):
        row = {}
        for expr, (said, got) in zip(exprs, found[i * each : (i + 1) * each], strict=True):
            assert json.loads(said) == expr
            row[expr] = _samples(got.strip())
        rows.append(row)
    return rows


def _samples(got: str) -> list[tuple[dict[str, str], float]]:
    got = json.loads(got) if got.startswith('"') else got
    return [
        (dict(_label(one) for one in re.findall(r'\w+="(?:[^"\\]|\\.)*"', labels)), float(value))
        for labels, value in re.findall(r"\{((?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\} (\S+?)(?:,|$)", got)
    ]


def _label(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, json.loads(value)
