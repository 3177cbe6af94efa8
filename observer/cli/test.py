"""``observer test``: unit tests of policies and objectives, run through the engine itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from observer.cli.output import EXIT_BAD_INPUT, EXIT_FINDINGS
from observer.config.documents.durations import format_duration
from observer.config.documents.faults import refuse
from observer.config.documents.files import yaml_files
from observer.domain.errors import ConfigError
from observer.policytest.judging import Failure, failures, told, unknown_objectives
from observer.policytest.read import TestFile
from observer.policytest.rulebook import read_file, rules_for
from observer.policytest.run import ScenarioRun, run
from observer.policytest.scenario import Scenario

_STEP: Final = "name test files that can be read; `observer test --init OBJECTIVE` writes the first ones"


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """One test that was run."""

    file: str
    scenario: Scenario
    course: ScenarioRun
    failures: Sequence[Failure]

    @property
    def ok(self) -> bool:
        return not self.failures


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """Everything that was run, and every line of what could not be read."""

    done: Sequence[Done]
    faults: Sequence[str]

    @property
    def code(self) -> int:
        """0 all passed, 1 one failed, 2 something cannot be read."""
        if self.faults:
            return EXIT_BAD_INPUT
        return 0 if all(one.ok for one in self.done) else EXIT_FINDINGS


def run_tests(paths: Sequence[Path], name: str = "") -> Results:
    """
    Run the tests of files, and of the YAML files of directories; ``name``: only those that hold it in theirs.

    What cannot be read is told for all files at once, and then nothing of that file runs.
    """
    done: list[Done] = []
    faults: list[str] = []
    chosen = 0
    for path in yaml_files(paths):
        try:
            tests = read_file(path)
        except ConfigError as exc:
            faults += str(exc).splitlines()
            continue
        for test in tests:
            for scenario in test.scenarios:
                if name not in scenario.name:
                    continue
                chosen += 1
                try:
                    done.append(_one(test, scenario))
                except ConfigError as exc:
                    faults += str(exc).splitlines()
    if not chosen and not faults:
        faults.append(f"no test {f'named like {name!r} ' if name else ''}in {', '.join(map(str, paths))}")
    return Results(done, list(dict.fromkeys(faults)))


def _one(test: TestFile, scenario: Scenario) -> Done:
    course = run(scenario, rules_for(test, scenario.start, scenario.mode))
    if unknown := unknown_objectives(scenario, course):
        refuse(unknown)
    return Done(test.document.file, scenario, course, failures(scenario, course))


def body(results: Results) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "ok": results.code == 0,
        "faults": list(results.faults),
        "tests": [
            {
                "file": one.file,
                "line": one.scenario.place.line,
                "name": one.scenario.name,
                "ok": one.ok,
                "failures": [
                    {"line": failure.expectation.place.line, "expected": failure.expected, "came": failure.came}
                    for failure in one.failures
                ],
                "decisions": [
                    {
                        "at": at,
                        "verdict": decision.verdict.value,
                        "kind": decision.kind,
                        "action": decision.action_kind.value if decision.action_kind is not None else None,
                        "subject": decision.subject,
                        "reason": decision.reason,
                        "blocked_by": [block.reason for block in decision.blocked_by],
                        "text": decision.text,
                    }
                    for at, decision in one.course.decisions
                ],
                "objectives": [
                    {"id": status.objective.id, "state": status.state.value, "told": status.told}
                    for status in (one.course.looks[-1][1] if one.course.looks else ())
                ],
            }
            for one in results.done
        ],
    }


def text(results: Results, *, verbose: bool = False) -> str:
    """What the terminal shows; ``verbose``: the decisions of the tests that passed, too."""
    lines: list[str] = []
    for one in results.done:
        lines.append(f"{'ok    ' if one.ok else 'FAILED'}  {one.file}:{one.scenario.place.line}  {one.scenario.name}")
        for failure in one.failures:
            lines.append(f"          line {failure.expectation.place.line}: expected {failure.expected}")
            lines += [f"            came {line}" for line in failure.came]
        if verbose:
            lines += [f"          {format_duration(at):>7}  {told(what)}" for at, what in one.course.decisions]
    lines += [f"observer: {fault}" for fault in results.faults]
    failed = sum(not one.ok for one in results.done)
    count = len(results.faults)
    more = f", {count} {'fault' if count == 1 else 'faults'}" if count else ""
    lines.append(f"{len(results.done) - failed} passed, {failed} failed{more}")
    return "\n".join([*lines, f"  -> {_STEP}"] if count else lines)
