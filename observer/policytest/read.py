"""Text of test files to scenarios, every fault with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from observer.config.documents.durations import format_duration
from observer.config.documents.faults import Fault
from observer.config.documents.marks import Document, Path, read_marked_all
from observer.config.documents.refusals import validated
from observer.config.policies.document import Place
from observer.config.policies.keys import API_VERSION, TEST_KIND
from observer.config.policies.windows import instant
from observer.domain.counts import FloatArray
from observer.domain.decision import Verdict
from observer.engine.slo.presets import ISTIO
from observer.policytest.keys import NONE, DocumentKeys, ExpectationKeys, TestKeys
from observer.policytest.notation import STALE, samples, series_name
from observer.policytest.scenario import (
    Change,
    Expectation,
    FactKeys,
    Facts,
    Line,
    Scenario,
    WorkloadKey,
    laid_over,
    split,
)

REQUESTS: Final = "istio_requests_total"
BUCKETS: Final = "istio_request_duration_milliseconds_bucket"
UP: Final = "up"
OF_PODS: Final = frozenset({REQUESTS, BUCKETS, UP})
LABELS: Final = frozenset(
    {"namespace", "pod", "le", "destination_canonical_service", "destination_workload_namespace"}
    | {"source_canonical_service", ISTIO.reporter, ISTIO.service, ISTIO.namespace, ISTIO.source, ISTIO.source_namespace}
    | {ISTIO.code, ISTIO.flags, ISTIO.grpc, ISTIO.protocol}
)
"""What the daemon asks of the mesh's metrics, and what rules may select; another label would change nothing."""
TARGET_LABELS: Final = frozenset({"namespace", "pod", "job", "instance"})
START: Final = 1_796_119_200.0
"""2026-12-01 10:00 UTC, a Tuesday, where a test does not say when it begins."""
_OF_DECISIONS: Final = ("count", "verdict", "kind", "action", "reason", "severity", "pod")
_OF_OBJECTIVES: Final = ("state", "alert", "firing")


@dataclass(frozen=True, slots=True, eq=False)
class TestFile:
    """
    One PolicyTest document.

    ``rules`` are files and directories as they are written, with their places; ``settings`` a file, empty for the
    built-in ones.
    """

    __test__ = False  # no test of pytest's

    document: Document
    scenarios: tuple[Scenario, ...]
    rules: tuple[tuple[str, Place], ...] = ()
    settings: str = ""


def read_tests(text: str, name: str) -> tuple[list[TestFile], list[Fault]]:
    """The tests of one file and all that is wrong with them; its other documents are passed over."""
    found: list[TestFile] = []
    faults: list[Fault] = []
    documents = read_marked_all(text, name)
    for document in documents:
        if is_test(document):
            one, wrong = _file(document)
            faults += wrong
            found += [one] if one is not None else []
        elif document.data is None or not isinstance(document.data, dict):
            faults += document.faults or [document.fault((), "must be a mapping", f"kind: {TEST_KIND}")]
    if not found and not faults:
        faults.append(Fault(name, 0, 0, "", "holds no test", f"apiVersion: {API_VERSION}, kind: {TEST_KIND}"))
    return found, faults


def is_test(document: Document) -> bool:
    """The document is a test and no rule."""
    return isinstance(document.data, dict) and document.data.get("kind") == TEST_KIND


def _file(document: Document) -> tuple[TestFile | None, list[Fault]]:
    faults = list(document.faults)
    given, found = validated(DocumentKeys, document.data, document)
    if given is None:
        return None, faults + found
    scenarios = []
    seen: dict[str, int] = {}
    for index, test in enumerate(given.tests):
        if test.name in seen:
            first = document.values["tests", seen[test.name], "name"][0]
            faults.append(document.fault(("tests", index, "name"), "is taken", f"line {first}"))
        seen.setdefault(test.name, index)
        scenario, wrong = _Reading(document, ("tests", index), test).scenario()
        faults += wrong
        scenarios.append(scenario)
    if not given.tests:
        faults.append(document.fault(("tests",), "must not be empty"))
    rules = tuple((rule, place_of(document, ("rules", i))) for i, rule in enumerate(given.rules))
    return (None if faults else TestFile(document, tuple(scenarios), rules, given.settings)), faults


def place_of(document: Document, path: Path) -> Place:
    """Where a value stands."""
    return Place(document.file, *(document.values.get(path) or document.keys.get(path, (0, 0))))


class _Reading:
    """Reads one test."""

    def __init__(self, document: Document, at: Path, given: TestKeys) -> None:
        self._document, self._at, self._given = document, at, given
        self._faults: list[Fault] = []
        self._pods: dict[str, list[WorkloadKey]] = {}
        self._stops: dict[str, list[tuple[float, Path]]] = {}

    def scenario(self) -> tuple[Scenario, list[Fault]]:
        given = self._given
        self._names(given, self._at)
        facts = self._facts(Facts(), given)
        changes = tuple(self._changes(facts))
        expect = tuple(
            self._expectation((*self._at, "expect", i), expectation) for i, expectation in enumerate(given.expect)
        )
        if not expect:
            self._add(("expect",), "must not be empty", "a test that expects nothing cannot fail")
        end = max(
            [0.0, *(expectation.at if expectation.at is not None else expectation.before for expectation in expect)]
        )
        lines = tuple(self._lines(given, end))
        scenario = Scenario(
            name=given.name,
            place=place_of(self._document, self._at),
            facts=facts,
            lines=lines,
            changes=changes,
            expect=expect,
            start=instant(given.start) if given.start else START,
            interval=given.interval,
            look=given.look,
            end=end,
            mode=given.mode,
            objectives=tuple(
                (name, place_of(self._document, (*self._at, "objectives", i)))
                for i, name in enumerate(given.objectives)
            ),
        )
        return scenario, self._faults

    def _add(self, path: Path, message: str, hint: str = "") -> None:
        self._faults.append(self._document.fault((*self._at, *path), message, hint))

    def _facts(self, before: Facts, given: FactKeys) -> Facts:
        try:
            return laid_over(before, given)
        except ValueError:
            return before  # told by ``_names``

    def _names(self, given: FactKeys, at: Path) -> None:
        """Workloads and pods that there ever are."""
        for name, one in given.workloads.items():
            try:
                key = split(name)
            except ValueError:
                fault = self._document.fault(
                    (*at, "workloads", name), "must be NAMESPACE/NAME", "for example shop/cart", at_key=True
                )
                self._faults.append(fault)
                continue
            count = getattr(one, "replicas", None)
            for number in range(1, (1 if count is None else count) + 1):
                owners = self._pods.setdefault(f"{key[1]}-{number}", [])
                owners += [] if key in owners else [key]
            for pod in getattr(one, "pods", None) or {}:
                if pod not in self._pods:
                    fault = self._document.fault((*at, "workloads", name, "pods", pod), *self._nobody(pod), at_key=True)
                    self._faults.append(fault)

    def _nobody(self, pod: str) -> tuple[str, str]:
        near = difflib.get_close_matches(pod, self._pods, n=1)
        hint = f"did you mean {near[0]}?" if near else "pods are named after their workload: cart-1, cart-2"
        return f"no workload of the test has a pod {pod}", hint

    def _known(self, pod: str) -> bool:
        """A pod of the test, or one that came in its place: ``cart-1-r1`` after ``cart-1``."""
        return pod in self._pods or re.sub(r"-r[0-9]+$", "", pod) in self._pods

    def _changes(self, facts: Facts) -> Iterator[Change]:
        listed = list(enumerate(self._given.changes))
        for index, one in listed:
            self._names(one, (*self._at, "changes", index))
            for number, approval in enumerate(one.approve):
                if not self._known(approval.pod):
                    self._add(("changes", index, "approve", number, "pod"), *self._nobody(approval.pod))
        for _, one in sorted(listed, key=lambda item: (item[1].at, item[0])):
            facts = self._facts(facts, one)
            yield Change(one.at, one, tuple((approval.pod, approval.action) for approval in one.approve))

    # --- series

    def _lines(self, given: TestKeys, end: float) -> Iterator[Line]:
        for index, written in enumerate(given.series):
            path: Path = ("series", index)
            try:
                values = samples(written.values)
            except ValueError as exc:
                self._add((*path, "values"), str(exc), "for example 0+5x10, _x3 or stale")
                continue
            upto = (len(values) - 1) * given.interval
            if upto < end and values[-1] != STALE:
                message = f"ends at {format_duration(upto)}, before the test does at {format_duration(end)}"
                self._add(
                    (*path, "values"),
                    message,
                    f"x{int(-(-end // given.interval))} reaches it; stale ends it on purpose",
                )
            if bool(written.series) is bool(written.query):
                self._add(path, "needs either series or query", "query: the text of an expression whose answer it is")
                continue
            place = place_of(self._document, (*self._at, *path))
            if written.query:
                yield Line("", {}, values, place, query=written.query)
            else:
                yield from self._line(written.series, values, place, (*path, "series"))

    def _line(self, text: str, values: FloatArray, place: Place, path: Path) -> Iterator[Line]:
        try:
            metric, labels, pods = series_name(text)
        except (ValueError, re.error) as exc:
            self._add(path, str(exc), 'for example istio_requests_total{pod="cart-1",response_code="200"}')
            return
        if metric == BUCKETS and "le" not in labels:
            self._add(path, "a bucket needs its label le", 'le="250"')
            return
        known = TARGET_LABELS if metric == UP else LABELS
        if metric in OF_PODS and (strange := sorted(labels.keys() - known)):
            near = difflib.get_close_matches(strange[0], known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            self._add(path, f"{metric} has no label {strange[0]}", hint)
            return
        pod = labels.get("pod", "")
        if metric in OF_PODS and not (pod or pods) and labels.get("reporter") != "source":
            self._add(path, f"{metric} needs the label pod", 'pod="cart-1", or pod=~"cart-.+" for all')
            return
        owners = self._owners(pod, pods, labels)
        if metric in OF_PODS and pod and not owners:
            self._add(path, *self._nobody(pod))
        elif pods and not owners:
            self._add(path, f"no pod of the test matches {pods}")
        elif len(owners) > 1:
            listed = ", ".join(sorted("/".join(key) for key in owners))
            self._add(path, f"could belong to {listed}", "add namespace=, or narrow the pattern")
        else:
            yield Line(metric, labels, values, place, pods=pods, owner=next(iter(owners), None))

    def _owners(self, pod: str, pods: str, labels: Mapping[str, str]) -> set[WorkloadKey]:
        space = labels.get("namespace", "")
        first = re.sub(r"-r[0-9]+$", "", pod)
        fits = {
            name: keys
            for name, keys in self._pods.items()
            if (pods and re.fullmatch(pods, name)) or (pod and name in (pod, first))
        }
        return {key for keys in fits.values() for key in keys if space in ("", key[0])}

    # --- expectations

    def _expectation(self, path: Path, expectation: ExpectationKeys) -> Expectation:
        own = path[len(self._at) :]
        if (expectation.at is None) is (expectation.before is None):
            self._add(own, "needs either at or before", "at: what stands then; after and before: what was decided")
        if expectation.at is not None and "after" in expectation.model_fields_set:
            self._add((*own, "after"), "belongs to before, not to at")
        if expectation.after > (expectation.before if expectation.before is not None else float("inf")):
            self._add((*own, "after"), "is later than before")
        self._about(own, expectation)
        if expectation.pod and not self._known(expectation.pod):
            self._add((*own, "pod"), *self._nobody(expectation.pod))
        return Expectation(
            place=place_of(self._document, path),
            at=expectation.at, after=expectation.after, before=expectation.before or 0.0, count=expectation.count,
            verdict="" if expectation.verdict == NONE else str(expectation.verdict), none=expectation.verdict == NONE,
            kind=expectation.kind, action=expectation.action, reason=expectation.reason,
            severity=expectation.severity, pod=expectation.pod, objective=expectation.objective,
            state=expectation.state, alert="" if expectation.alert == NONE else expectation.alert,
            firing=tuple(expectation.firing) if expectation.firing is not None else None,
        )  # fmt: skip

    def _about(self, own: Path, expectation: ExpectationKeys) -> None:
        """An expectation speaks of decisions or of an objective."""
        given = expectation.model_fields_set
        if "objective" in given:
            for key in (*_OF_DECISIONS, "before"):
                if key in given:
                    self._add(
                        (*own, key), "says nothing of an objective", f"objective takes {', '.join(_OF_OBJECTIVES)}"
                    )
            if not given & set(_OF_OBJECTIVES):
                self._add(own, "says nothing of its objective", f"add one of {', '.join(_OF_OBJECTIVES)}")
            return
        for key in _OF_OBJECTIVES:
            if key in given:
                self._add((*own, key), "needs the objective that it speaks of", "objective: NAMESPACE/NAME")
        if not given & set(_OF_DECISIONS):
            self._add(own, "expects nothing", f"add one of {', '.join(_OF_DECISIONS)}, or an objective")
        if expectation.at is not None and "count" in given:
            self._add((*own, "count"), "counts what was decided between after and before")
        if expectation.at is not None and expectation.verdict == Verdict.TELL:
            self._add((*own, "verdict"), "tell is said once and does not stand", "use after and before")
        if expectation.verdict == NONE and (expectation.at is None or given & {"action", "reason", "kind", "severity"}):
            self._add((*own, "verdict"), "none stands with at and pod alone", "count: 0 with after and before")
