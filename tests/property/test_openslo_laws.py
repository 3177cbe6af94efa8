"""OpenSLO out and in again is the same: documents, their values and the objectives made of them."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from observer.config.openslo.assemble import assemble
from observer.config.openslo.documents import parse_documents
from observer.exchange.openslo_text import written

NOW = 1_780_000_000.0
Docs = list[dict[str, Any]]

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
# YAML cannot write lone surrogates.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SPECIAL = st.sampled_from(["", "~", "null", "true", "no", "1e3", "012", "1:30", ".inf", "- a", "a: b", "#"])
WORDS = st.one_of(SPECIAL, TEXTS)
FILLED = WORDS.filter(lambda text: bool(text.strip()))
NUMBERS = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e12, 1e12, allow_subnormal=False))
DURATIONS = st.builds(lambda count, unit: f"{count}{unit}", st.integers(1, 400), st.sampled_from("mhdwMQY"))
LABELS = st.dictionaries(NAMES, st.one_of(WORDS, st.lists(WORDS, max_size=3)), max_size=3)
ANNOTATIONS = st.dictionaries(NAMES.map(lambda name: f"example.com/{name}"), WORDS, max_size=3)
FREE = st.recursive(
    st.one_of(WORDS, NUMBERS, st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
OPERATORS = st.sampled_from(["lte", "gte", "lt", "gt"])


def some(required: dict[str, Any], **maybe: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=maybe)


METADATA = some({"name": NAMES}, displayName=WORDS, labels=LABELS, annotations=ANNOTATIONS)
METRIC = some({"spec": st.fixed_dictionaries({"query": FILLED})}, type=st.just("Prometheus")).map(
    lambda source: {"metricSource": source}
)
RATIO = st.one_of(
    some({"total": METRIC, "good": METRIC}, counter=st.booleans()),
    some({"total": METRIC, "bad": METRIC}, counter=st.booleans()),
    some({"raw": METRIC, "rawType": st.sampled_from(["success", "failure"])}),
)
RATIO_SLI = some({"ratioMetric": RATIO}, description=WORDS)
THRESHOLD_SLI = some({"thresholdMetric": METRIC}, description=WORDS)
TARGETS = st.one_of(
    st.fixed_dictionaries({"target": st.floats(0, 0.9999)}),
    st.fixed_dictionaries({"targetPercent": st.one_of(st.integers(0, 99), st.floats(0, 99.99))}),
)
CALENDAR = st.fixed_dictionaries(
    {"startTime": st.just("2026-01-31 08:00:00"), "timeZone": st.sampled_from(["UTC", "Europe/Berlin"])}
)
WINDOWS = st.one_of(
    st.builds(lambda duration: {"duration": duration, "isRolling": True}, DURATIONS),
    st.builds(lambda calendar: {"duration": "1M", "calendar": calendar}, CALENDAR),
)
CONDITION = some(
    {"kind": st.just("burnrate"), "op": st.just("gt"), "threshold": st.floats(0.1, 1000), "lookbackWindow": DURATIONS},
    alertAfter=DURATIONS,
)
CONDITION_SPEC = some({"severity": st.sampled_from(["page", "ticket"]), "condition": CONDITION}, description=WORDS)


def inline(kind: str, spec: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"kind": st.just(kind), "metadata": METADATA, "spec": spec})


TARGET = inline("AlertNotificationTarget", some({"target": FILLED}, description=WORDS))
POLICY = some(
    {
        "conditions": st.lists(inline("AlertCondition", CONDITION_SPEC), min_size=1, max_size=1),
        "notificationTargets": st.lists(TARGET, min_size=1, max_size=2),
    },
    alertWhenBreaching=st.booleans(),
    alertWhenNoData=st.booleans(),
    description=WORDS,
)


@st.composite
def slos(draw: st.DrawFn) -> dict[str, Any]:
    threshold, composite = draw(st.booleans()), draw(st.booleans())
    method = draw(st.sampled_from(["Occurrences", "Timeslices", "RatioTimeslices"]))
    sli: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {"metadata": METADATA, "spec": THRESHOLD_SLI if threshold else RATIO_SLI}
    )
    objectives = []
    for _ in range(draw(st.integers(1, 3))):
        one = draw(TARGETS) | draw(some({}, displayName=WORDS, compositeWeight=st.floats(0.1, 10)))
        if threshold:
            one |= {"op": draw(OPERATORS), "value": draw(NUMBERS)}
        if method != "Occurrences":
            one |= {"timeSliceWindow": draw(DURATIONS)}
        if method == "Timeslices":
            one |= {"timeSliceTarget": draw(st.floats(0.01, 1))}
        objectives.append(one | ({"indicator": draw(sli)} if composite else {}))
    spec: dict[str, Any] = {
        "service": draw(FILLED),
        "budgetingMethod": method,
        "timeWindow": [draw(WINDOWS)],
        "objectives": objectives,
    }
    if not composite:
        spec["indicator"] = draw(sli)
    spec |= draw(some({}, description=WORDS, alertPolicies=st.lists(inline("AlertPolicy", POLICY), max_size=2)))
    return spec


DOCUMENTS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    inline("SLO", slos()),
    inline("SLI", RATIO_SLI),
    inline("AlertPolicy", POLICY),
    inline("AlertCondition", CONDITION_SPEC),
    TARGET,
    inline("Service", some({}, description=WORDS)),
    inline("DataSource", some({"type": FILLED, "connectionDetails": FREE}, description=WORDS)),
).map(lambda body: {"apiVersion": "openslo/v1", **body})
FILES = st.lists(DOCUMENTS, max_size=4, unique_by=lambda one: (one["kind"], one["metadata"]["name"]))


@settings(max_examples=40)
@given(FILES)
def test_documents_come_back_as_they_were(files: Docs) -> None:
    text = written(files)
    first = parse_documents(text)

    assert first.plain() == files
    assert list(yaml.safe_load_all(text)) == files  # readers of YAML 1.1 see the same
    second = parse_documents(written(first.plain()))
    one, other = assemble(first, at=NOW), assemble(second, at=NOW)
    assert [made.objective for made in one.made] == [made.objective for made in other.made]
    assert [str(fault) for fault in one.faults] == [str(fault) for fault in other.faults]
