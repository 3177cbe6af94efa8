"""
Writes a page for each family of reasons from the code and from the cases that the tests run.

    python -m tests.tools.reason_pages docs/reference

The same code gives the same bytes; a test holds the pages in the tree against it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from observer import actions
from observer.domain.decision import Blocked
from observer.domain.guidance import GUIDANCE
from observer.domain.reasons import Page, Reason
from observer.engine.guards.guard import Guard
from observer.engine.guards.order import GUARDS
from tests.support.guard_cases import Case, context_of

TITLES: Final[Mapping[Page, str]] = {
    Page.CONTROL: "Guards: may anything be written",
    Page.POLICY: "Guards: the policy",
    Page.ELIGIBILITY: "Guards: what is never touched unless somebody opted in",
    Page.EVIDENCE: "Guards: what the evidence allows",
    Page.ATTRIBUTION: "Guards: the right culprit",
    Page.HISTORY: "Guards: what earlier actions taught",
    Page.CHANGES: "Guards: others are at work",
    Page.CAPACITY: "Guards: enough replicas stay",
    Page.BUDGETS: "Guards: budgets",
    Page.APPROVAL: "Guards: approval",
    Page.SYMPTOMS: "Detectors: what is suspected",
    Page.SUPPRESSION: "Detectors: why no pod is removed",
    Page.CEILINGS: "Detectors: why less is allowed",
    Page.DRAIN: "Drain, readmission, restore",
    Page.OUTCOMES: "What came of a write",
    Page.INCIDENTS: "Incidents, verifications and alerts",
    Page.SUGGESTIONS: "What a person could do",
    Page.ITSELF: "Observer itself",
}


def main(words: list[str]) -> int:
    """``python -m tests.tools.reason_pages FOLDER``; returns the exit code."""
    if len(words) != 1:
        sys.stderr.write("usage: python -m tests.tools.reason_pages FOLDER\n")
        return 2
    for name, text in pages().items():
        path = Path(words[0]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


def pages() -> Mapping[str, str]:
    """The pages by path below ``docs/reference``, an index among them."""
    return {f"{page.value}.md": _page(page) for page in Page} | {"reasons.md": _index(), "actions.md": _actions()}


def cases() -> Iterator[Case]:
    """Every case in which a guard blocks, as its test runs it."""
    for page in Page:
        folder, _, family = page.value.partition("/")
        if folder == "guards":
            yield from importlib.import_module(f"tests.unit.engine.guards.test_{family}").CASES


def _index() -> str:
    lines = [
        "# Reasons",
        "",
        "Every reason of a decision, of a guard and of an outcome. What is not listed is the name of a source and what",
        "is wrong with it (`prometheus_timeout`), for which nothing is judged.",
        "",
        "| reason | meaning |",
        "|---|---|",
    ]
    rows = sorted((reason.value, reason) for reason in Reason if reason)
    lines += [f"| [{word}]({reason.page.value}.md#{word}) | {reason.meaning} |" for word, reason in rows]
    return "\n".join(lines) + "\n"


def _actions() -> str:
    lines = [
        "# Actions",
        "",
        "Made from the code by `make docs`: everything that Observer can do to a cluster, mildest first.",
    ]
    for spec in actions.every():
        undo = f"`{spec.undo.value}` takes it back" if spec.undo is not None else "nothing takes it back"
        lines += ["", f"## {spec.kind.value}", "", spec.summary, ""]
        lines += [f"- Done to: a {spec.target.value}. Evidence needed: {spec.tier.name.lower()}; {undo}."]
        if spec.harmful:
            lines += ["- Every guard is asked, budgets count it, and a policy may want a person to approve it."]
        if spec.writes:
            lines += [f"- Event: `Observer{spec.event}`. Rights: ClusterRole `observer-{spec.role}`, fenced by the"]
            lines[-1] += " admission policy of the same name:"
            lines += [f"  - {fence.message}." for fence in spec.fences]
    return "\n".join(lines) + "\n"


def _page(page: Page) -> str:
    lines = [f"# {TITLES[page]}", "", "Made from the code by `make docs`.", ""]
    guards = [guard for guard in GUARDS if _home(guard) is page]
    examples = _examples()
    listed: set[Reason] = set()
    for guard in guards:
        lines += _guard(guard, page, examples)
        listed |= {reason for reason in guard.advice if reason.page is page}
    for reason in Reason:
        if reason and reason.page is page and reason not in listed:
            lines += _reason(reason, "", GUIDANCE[reason].advice, GUIDANCE[reason])
    return "\n".join(lines).rstrip() + "\n"


def _home(guard: Guard) -> Page:
    """The page that a guard stands on: that of its first reason, and of the detectors' words for those without one."""
    return next((reason.page for reason in guard.advice), Page.EVIDENCE)


def _guard(guard: Guard, page: Page, examples: Mapping[tuple[str, str], str]) -> list[str]:
    lines = [f"## Guard `{guard.name.value}`", "", guard.name.meaning, "", f"Looks at: {guard.looks_at}.", ""]
    lines += [f"Moved by: {guard.setting}." if guard.setting else "No setting moves it.", ""]
    if not guard.advice:
        lines += ["Its reasons are those of [the detectors](../detectors/suppression.md).", ""]
    for reason, advice in guard.advice.items():
        example = examples.get((guard.name.value, reason.value), "")
        if reason.page is page:
            lines += _reason(reason, example, advice, None)
        else:
            lines += [f"Also [{reason.value}](../{reason.page.value}.md#{reason.value}): {advice}", ""]
    return lines


def _reason(reason: Reason, example: str, advice: str, more: Sequence[str] | None) -> list[str]:
    lines = [f"### {reason.value}", "", reason.meaning, ""]
    if more is not None:
        lines += [f"Looks at: {more[0]}.", ""]
        lines += [f"Moved by: {more[1]}.", ""] if more[1] else []
    if example:
        lines += [f"Says, for example: {example}.", ""]
    return [*lines, f"What to do: {advice}", ""]


def _examples() -> Mapping[tuple[str, str], str]:
    """What a guard said in the first of its cases, by guard and reason."""
    said: dict[tuple[str, str], str] = {}
    for case in cases():
        answer = case.guard(context_of(case))
        if isinstance(answer, Blocked):
            said.setdefault((str(answer.guard), str(answer.reason)), answer.detail)
    return said


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
