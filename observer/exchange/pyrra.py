"""Pyrra's ``ServiceLevelObjective`` (``pyrra.dev/v1alpha1``)."""

from __future__ import annotations

import re
from typing import Final

from observer.domain import names
from observer.exchange.burn import Tier, policies
from observer.exchange.conversion import Converted, Fields, Plain, document
from observer.exchange.naming import metadata, named, percent
from observer.exchange.queries import FIXED, metric

API_VERSION: Final = "pyrra.dev/v1alpha1"
KIND: Final = "ServiceLevelObjective"
_BASE_MINUTES: Final = 28 * 24 * 60
_TIERS: Final = (
    ("burn-1h", "critical", 14.0, 60, 5),
    ("burn-6h", "critical", 7.0, 360, 30),
    ("burn-1d", "warning", 2.0, 1440, 120),
    ("burn-4d", "warning", 1.0, 5760, 360),
)
"""Name, severity, factor, long and short window in minutes for an objective over 28 days; others are scaled."""
_DURATION: Final = re.compile(r"(?=.)(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?")
_MINUTES: Final = {"y": 525_600, "w": 10_080, "d": 1440, "h": 60, "m": 1}
_SECONDS: Final = re.compile(r"(\d+)(ms|s|m|h)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def from_resource(data: object) -> Converted:
    """A ``ServiceLevelObjective``."""
    out = Converted()
    fields = Fields(data, (), out)
    fields.text("apiVersion")
    fields.text("kind")
    name, labels, annotations = _identity(fields.within("metadata", required=True))
    if fields.has("status"):
        fields.raw("status")
        fields.note("status", "is the cluster's and not carried")
    spec = fields.within("spec", required=True)
    fields.close()
    _slo(spec, name, labels, annotations, out)
    return out


def _identity(meta: Fields) -> tuple[str, dict[str, str], dict[str, str]]:
    name = named(meta, "name", meta.text("name", required=True))
    labels, annotations = meta.words("labels"), meta.words("annotations")
    if namespace := meta.text("namespace"):
        labels.setdefault("namespace", namespace)
        meta.note("namespace", "is a label now", f"name the mesh service: {names.SLO_SCOPE}: NAMESPACE/SERVICE")
    for key, _ in meta.unread():
        meta.note(key, "is the cluster's and not carried")
    return name, labels, annotations


def _slo(spec: Fields, name: str, labels: dict[str, str], annotations: dict[str, str], out: Converted) -> None:
    description = spec.text("description")
    target = percent(spec, "target", spec.raw("target") if spec.has("target") else spec.text("target", required=True))
    minutes = _window(spec)
    indicator = _indicator(spec.within("indicator", required=True))
    absent, documents, references = _alerting(spec.within("alerting"), name, minutes)
    for key in ("partial_response_strategy", "performance_over_accuracy"):
        if spec.has(key):
            spec.raw(key)
            spec.note(key, "is a choice of the rule evaluator and not carried")
    spec.close()
    if absent:
        annotations = annotations | {names.SLO_NO_DATA: "page"}
    body: Plain = {"description": description} if description else {}
    body |= {
        "service": labels.get("pyrra.dev/service", name),
        "budgetingMethod": "Occurrences",
        "timeWindow": [{"duration": spelled(minutes), "isRolling": True}],
        "indicator": {"metadata": {"name": name}, "spec": indicator},
        "objectives": [{"targetPercent": target}],
    }
    if references:
        body["alertPolicies"] = references
    out.documents += [document("SLO", metadata(name, labels, annotations), body), *documents]


def _window(spec: Fields) -> int:
    text = spec.text("window", required=True)
    if text and not _DURATION.fullmatch(text):
        spec.refuse("window", f'must be a duration of whole minutes, got "{text}"', "for example 4w")
    return sum(int(count) * _MINUTES[unit] for count, unit in re.findall(r"(\d+)([ywdhm])", text)) or _BASE_MINUTES


def spelled(minutes: int) -> str:
    """Minutes as an OpenSLO duration in the largest unit that divides them."""
    for unit in ("w", "d", "h"):
        if minutes % _MINUTES[unit] == 0:
            return f"{minutes // _MINUTES[unit]}{unit}"
    return f"{minutes}m"


def _indicator(fields: Fields) -> Plain:
    kinds = [key for key in ("ratio", "latency", "latencyNative", "bool_gauge") if fields.has(key)]
    if len(kinds) != 1:
        fields.refuse("", "needs exactly one of ratio, latency, latencyNative and bool_gauge")
        return {}
    kind = kinds[0]
    inner = fields.within(kind)
    ratio = {"ratio": _ratio, "latency": _latency, "latencyNative": _native, "bool_gauge": _gauge}[kind](inner)
    grouping = inner.raw("grouping")
    if grouping:
        listed = ", ".join(map(str, grouping)) if isinstance(grouping, list) else str(grouping)
        hint = f"one document for each service of the mesh: {names.SLO_EACH}: service"
        inner.note("grouping", f"by {listed} is not carried: one objective holds for all of them together", hint)
    inner.close()
    fields.close()
    return {"ratioMetric": ratio}


def _ratio(fields: Fields) -> Plain:
    return {"counter": True, "bad": _metric(fields, "errors"), "total": _metric(fields, "total")}


def _latency(fields: Fields) -> Plain:
    return {"counter": True, "good": _metric(fields, "success"), "total": _metric(fields, "total")}


def _native(fields: Fields) -> Plain:
    query = _metric_text(fields, "total")
    text = fields.text("latency", required=True)
    if not re.fullmatch(r"((\d+)(ms|s|m|h))+", text):
        fields.refuse("latency", f'must be a duration, got "{text}"', "for example 250ms")
    bound = sum(int(count) * _UNITS[unit] for count, unit in _SECONDS.findall(text))
    message = f"of a native histogram is a ratio over {FIXED} now: how many requests there were is not carried"
    fields.note("", message, "a classic histogram's bucket and count keep every event")
    return {"raw": metric(f"histogram_fraction(0, {bound:.12g}, sum(rate({query}[{FIXED}])))"), "rawType": "success"}


def _gauge(fields: Fields) -> Plain:
    query = fields.text("metric", required=True)
    fields.note("", "counts series at each evaluation: good is their sum, total their number")
    return {"counter": False, "good": metric(f"sum({query})"), "total": metric(f"count({query})")}


def _metric(fields: Fields, key: str) -> Plain:
    return metric(_metric_text(fields, key))


def _metric_text(fields: Fields, key: str) -> str:
    inner = fields.within(key, required=True)
    query = inner.text("metric", required=True)
    inner.close()
    return query.strip()


def _alerting(fields: Fields, name: str, minutes: int) -> tuple[bool, list[Plain], list[Plain]]:
    for key in ("name", "absentName"):
        if fields.text(key):
            fields.note(key, "of the alert is not carried: Observer names alerts by objective and tier")
    off = fields.flag("disabled")
    burn, absent = fields.flag("burnrates", default=True), fields.flag("absent", default=True)
    fields.close()
    if off or not burn:
        return absent and not off, [], []
    fields.note("", "the alerts' waiting times (for) are not carried: the shorter window of each pair does their work")
    scale = minutes / _BASE_MINUTES
    tiers = [
        Tier(own, severity, factor, spelled(max(1, round(long * scale))), spelled(max(1, round(short * scale))))
        for own, severity, factor, long, short in _TIERS
    ]
    return absent, *policies(name, tiers)
