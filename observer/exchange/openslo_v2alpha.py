"""OpenSLO ``openslo.com/v2alpha``: v1 with other words for indicators and their sources."""

from __future__ import annotations

from typing import Final

from observer.exchange.conversion import Converted, Fields, Plain, document

API_VERSION: Final = "openslo.com/v2alpha"
_SAME: Final = frozenset({"Service", "DataSource", "AlertPolicy", "AlertCondition", "AlertNotificationTarget"})


def convert(data: object) -> Converted:
    """One document of this version."""
    out = Converted()
    fields = Fields(data, (), out)
    fields.text("apiVersion")
    kind = fields.text("kind", required=True)
    meta, spec = fields.within("metadata", required=True), fields.within("spec")
    own = dict(meta.unread())
    if kind in _SAME:
        out.documents.append(document(kind, own, dict(spec.unread())))
    elif kind == "SLI":
        out.documents.append(document(kind, own, _sli(spec, str(own.get("name", "")), out)))
    elif kind == "SLO":
        out.documents.append(document(kind, own, _slo(spec, out)))
    else:
        hint = "a health policy with hold says it to Observer" if kind == "BudgetAdjustment" else ""
        fields.refuse("kind", f'"{kind}" has no counterpart in v1', hint)
    fields.close()
    return out


def _slo(spec: Fields, out: Converted) -> Plain:
    found = _renamed(spec, out, {"serviceRef": "service"})
    if "objectives" in found:
        found["objectives"] = [_renamed(item, out, {}) for item in spec.items("objectives")]
    return found


def _renamed(fields: Fields, out: Converted, more: dict[str, str]) -> Plain:
    found: Plain = {}
    if fields.has("sli"):
        found["indicator"] = _inline(fields.within("sli"), out)
    for key, value in fields.unread():
        found[{"sliRef": "indicatorRef", **more}.get(key, key)] = value
    return found


def _inline(fields: Fields, out: Converted) -> Plain:
    metadata = fields.within("metadata", required=True)
    own = dict(metadata.unread())
    spec = _sli(fields.within("spec", required=True), str(own.get("name", "")), out)
    fields.close()
    return {"metadata": own, "spec": spec}


def _sli(spec: Fields, name: str, out: Converted) -> Plain:
    found: Plain = {}
    if spec.has("thresholdMetric"):
        found["thresholdMetric"] = _metric(spec.within("thresholdMetric"), f"{name}-threshold", out)
    if spec.has("ratioMetric"):
        ratio = spec.within("ratioMetric")
        metrics: Plain = {
            role: _metric(ratio.within(role), f"{name}-{role}", out)
            for role in ("good", "bad", "total", "raw")
            if ratio.has(role)
        }
        found["ratioMetric"] = dict(ratio.unread()) | metrics
    return dict(spec.unread()) | found


def _metric(fields: Fields, name: str, out: Converted) -> Plain:
    """A source that stands inside a metric becomes a document of its own."""
    source: dict[str, object] = {}
    if reference := fields.text("dataSourceRef"):
        source["metricSourceRef"] = reference
    if fields.has("dataSourceSpec"):
        inner = fields.within("dataSourceSpec")
        out.documents.append(document("DataSource", {"name": name}, dict(inner.unread())))
        source["metricSourceRef"] = name
        fields.note("dataSourceSpec", f'is a DataSource document "{name}" now')
    source["spec"] = fields.raw("spec") or {}
    fields.close()
    return {"metricSource": source}
