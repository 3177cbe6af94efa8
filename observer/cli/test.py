"""``observer test``: unit tests of policies and objectives, run through the engine itself, and starters for them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from observer.app.commands import now
from observer.cli.application import Config, Json, app, settings_from
from observer.cli.output import EXIT_BAD_INPUT, EXIT_FINDINGS, fail, show
from observer.config.documents.durations import format_duration
from observer.config.documents.faults import refuse
from observer.config.openslo.templates import expand
from observer.domain.errors import ConfigError
from observer.domain.ids import ServiceRef
from observer.domain.slo import Objective

if TYPE_CHECKING:
    from observer.config.settings.model import Settings
    from observer.policytest.judging import Failure
    from observer.policytest.read import TestFile
    from observer.policytest.run import ScenarioRun
    from observer.policytest.scenario import Scenario


_STEP: Final = "name test files that can be read; `observer test --init OBJECTIVE` writes the first ones"
EXAMPLE = ServiceRef("shop", "app")
"""The service that templates are tested for."""


@app.command("test")
def try_out(
    *,
    paths: Annotated[list[Path] | None, typer.Argument(help="Test files, or directories of them.")] = None,
    name: Annotated[str, typer.Option("--name", "-k", help="Only tests that hold this in their name.")] = "",
    init: Annotated[
        str, typer.Option("--init", help="OBJECTIVE or FILE: write starter tests of an objective, or of a file's.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="With --init: folder for the files.")] = Path("tests"),
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print every decision.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """
    Run unit tests of policies and objectives: series and facts of a cluster in, decisions and alerts out.

    Exit codes: 0 all passed, 1 one failed, 2 a file cannot be read.
    """
    if init:
        show(*write_starters(settings_from(config), init, out), json=json)
        return
    if not paths:
        step = "`observer test FILE` runs tests, `observer test --init mesh-availability` writes the first ones"
        fail("name test files or directories, or --init OBJECTIVE", EXIT_BAD_INPUT, step)
    results = run_tests(paths, name)
    show(body(results), text(results, verbose=verbose), json=json)
    raise SystemExit(results.code)


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
        return 0 if all(run.ok for run in self.done) else EXIT_FINDINGS


def run_tests(paths: Sequence[Path], name: str = "") -> Results:
    """
    Run the tests of files, and of the YAML files of directories; ``name``: only those that hold it in theirs.

    What cannot be read is told for all files at once, and then nothing of that file runs.
    """
    from observer.config.documents.marks import yaml_files
    from observer.policytest.rulebook import read_file

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
    from observer.policytest.judging import failures, unknown_objectives
    from observer.policytest.rulebook import rules_for
    from observer.policytest.run import run

    course = run(scenario, rules_for(test, scenario.start, scenario.mode))
    if unknown := unknown_objectives(scenario, course):
        refuse(unknown)
    return Done(test.document.file, scenario, course, failures(scenario, course))


def body(results: Results) -> dict[str, object]:
    """What ``--json`` prints."""
    return {
        "ok": results.code == 0,
        "faults": list(results.faults),
        "tests": [
            {
                "file": run.file,
                "line": run.scenario.place.line,
                "name": run.scenario.name,
                "ok": run.ok,
                "failures": [
                    {"line": failure.expectation.place.line, "expected": failure.expected, "came": failure.came}
                    for failure in run.failures
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
                    for at, decision in run.course.decisions
                ],
                "objectives": [
                    {"id": status.objective.id, "state": status.state.value, "alert": status.alert}
                    for status in (run.course.looks[-1][1] if run.course.looks else ())
                ],
            }
            for run in results.done
        ],
    }


def text(results: Results, *, verbose: bool = False) -> str:
    """What the terminal shows; ``verbose``: the decisions of the tests that passed, too."""
    from observer.policytest.judging import line_of

    lines: list[str] = []
    for run in results.done:
        lines.append(f"{'ok    ' if run.ok else 'FAILED'}  {run.file}:{run.scenario.place.line}  {run.scenario.name}")
        for failure in run.failures:
            lines.append(f"          line {failure.expectation.place.line}: expected {failure.expected}")
            lines += [f"            came {line}" for line in failure.came]
        if verbose:
            lines += [f"          {format_duration(at):>7}  {line_of(what)}" for at, what in run.course.decisions]
    lines += [f"observer: {fault}" for fault in results.faults]
    failed = sum(not run.ok for run in results.done)
    count = len(results.faults)
    more = f", {count} {'fault' if count == 1 else 'faults'}" if count else ""
    lines.append(f"{len(results.done) - failed} passed, {failed} failed{more}")
    return "\n".join([*lines, f"  -> {_STEP}"] if count else lines)


def write_starters(settings: Settings, wanted: str, folder: Path) -> tuple[dict[str, object], str]:
    """
    Write one test file an objective of ``wanted``, a file of documents or the name of one that the settings know;
    returns what ``--json`` and the terminal show.

    A file that is there already is left alone. Raises ``ConfigError``.
    """
    from observer.config.openslo.documents import load_documents
    from observer.config.openslo.wanted import objective_set
    from observer.config.policies.load import policy_files
    from observer.config.settings.model import SHIPPED
    from observer.policytest.starter import Starter

    path = Path(wanted)
    rules: Sequence[str] = [wanted] if path.exists() else settings.policies
    files = [path] if path.exists() else [file.path for file in policy_files(settings.policies)]
    documents = objective_set(load_documents(files), at=now(), cluster=settings.cluster)
    pairs = [(objective, "") for objective in documents.plain]
    pairs += [(objective, template.name) for template in documents.templates for objective in expand(template, EXAMPLE)]
    chosen = [pair for pair in pairs if path.exists() or wanted in (pair[0].id, pair[0].slo, pair[1])]
    if not chosen:
        known = ", ".join(sorted({template or objective.slo for objective, template in pairs}))
        raise ConfigError(f"--init {wanted}: no file and no objective; known are {known or 'none'}")
    named = [objective if objective == SHIPPED else os.path.relpath(objective, folder) for objective in rules]
    texts = {folder / _file_of(objective): Starter(objective, named, template).text() for objective, template in chosen}
    if there := [str(file) for file in texts if file.exists()]:
        raise ConfigError(f"--out {folder}: {', '.join(there)} is there already; remove it or choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            file.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"--out {folder}: {exc.strerror}") from exc
    written = sorted(map(str, texts))
    return {"files": written}, "\n".join([*written, f"run them: observer test {folder}"])


def _file_of(objective: Objective) -> str:
    from observer.exchange.prometheus_rules import file_name

    return file_name(objective).removeprefix("slo-").removesuffix(".rules.yaml").lstrip("-") + ".yaml"
