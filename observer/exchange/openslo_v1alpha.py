"""OpenSLO ``openslo/v1alpha``: SLO and Service, queries inside the objectives."""

from __future__ import annotations

from typing import Final

from observer.exchange.conversion import Converted, Fields, Plain, document
from observer.exchange.naming import metadata, named
from observer.exchange.queries import metric

API_VERSION: Final = "openslo/v1alpha"
_UNITS: Final = {"Day": "d", "Week": "w", "Month": "M", "Quarter": "Q", "Year": "Y"}


def convert(data: object) -> Converted:
    """One document of this version."""
    out = Converted()
    fields = Fields(data, (), out)
    fields.text("apiVersion")
    kind = fields.text("kind", required=True)
    meta = fields.within("metadata", required=True)
    name, display = named(meta, "name", meta.text("name", required=True)), meta.text("displayName")
    meta.close()
    spec = fields.within("spec")
    fields.close()
    if kind == "Service":
        text = spec.text("description")
        spec.close()
        own: Plain = {"description": text} if text else {}
        out.documents.append(document("Service", metadata(name, {}, {}, display), own))
    elif kind == "SLO":
        _slo(spec, name, display, out)
    else:
        fields.refuse("kind", f'must be SLO or Service, got "{kind}"')
    return out


def _slo(spec: Fields, name: str, display: str, out: Converted) -> None:
    description, service = spec.text("description"), spec.text("service", required=True)
    method = spec.text("budgetingMethod", required=True)
    window = _window(spec)
    shared = _indicator(spec.within("indicator")) if spec.has("indicator") else None
    if method == "Timeslices":
        hint = "convert it by hand: v1 needs timeSliceWindow beside each timeSliceTarget"
        spec.refuse("budgetingMethod", "Timeslices says nowhere how long a slice is", hint)
    parts = [_objective(item, shared is None) for item in spec.items("objectives", required=True)]
    spec.close()
    indicators = [own if shared is None else shared for _, own in parts]
    groups: list[tuple[Plain, list[Plain]]] = []
    for (objective, _), indicator in zip(parts, indicators, strict=True):
        if groups and groups[-1][0] == indicator:
            groups[-1][1].append(objective)
        else:
            groups.append((indicator, [objective]))
    if len(groups) > 1:
        spec.note("objectives", f"measure different things: they are {len(groups)} SLOs now, numbered from 1")
    for index, (indicator, objectives) in enumerate(groups, 1):
        own_name = f"{name[:60]}-{index}" if len(groups) > 1 else name
        body: Plain = {"description": description} if description else {}
        body |= {
            "service": service,
            "indicator": {"metadata": {"name": own_name}, "spec": indicator},
            "budgetingMethod": method,
            "timeWindow": [window],
            "objectives": objectives,
        }
        out.documents.append(document("SLO", metadata(own_name, {}, {}, display), body))


def _window(spec: Fields) -> Plain:
    windows = spec.items("timeWindows", required=True)
    if len(windows) != 1:
        spec.refuse("timeWindows", "must have exactly one item")
        return {}
    one = windows[0]
    unit, count, rolling = one.text("unit", required=True), one.number("count", required=True), one.flag("isRolling")
    found: Plain = {"duration": _duration(one, unit, int(count)), "isRolling": rolling}
    if one.has("calendar"):
        calendar = one.within("calendar")
        found["calendar"] = {key: calendar.text(key, required=True) for key in ("startTime", "timeZone")}
        calendar.close()
    one.close()
    return found


def _duration(fields: Fields, unit: str, count: int) -> str:
    if unit == "Second" and count > 0 and count % 60 == 0:
        return f"{count // 60}m"
    if unit == "Second":
        fields.refuse("count", f"{count} seconds are no whole minutes, which v1 needs")
    elif unit not in _UNITS:
        fields.refuse("unit", f'must be Second or one of {", ".join(_UNITS)}, got "{unit}"')
    return f"{count}{_UNITS.get(unit, 'm')}"


def _indicator(fields: Fields) -> Plain:
    found: Plain = {"thresholdMetric": _source(fields.within("thresholdMetric", required=True))}
    fields.close()
    return found


def _source(fields: Fields) -> Plain:
    source, kind, query = (fields.text(key, required=True) for key in ("source", "queryType", "query"))
    fields.close()
    if kind.lower() != "promql":
        fields.note("queryType", f'"{kind}" is not carried: the type of the source says it')
    return metric(query, source)


def _objective(fields: Fields, ratio: bool) -> tuple[Plain, Plain]:
    found: Plain = {}
    if text := fields.text("displayName"):
        found["displayName"] = text[:63]
        if len(text) > 63:
            fields.note("displayName", "is cut to 63 characters")
    found["target"] = fields.number("target", required=True)
    if fields.has("timeSliceTarget"):
        found["timeSliceTarget"] = fields.number("timeSliceTarget")
    indicator: Plain = {}
    if ratio:
        if fields.has("value"):
            fields.raw("value")
            fields.note("value", "has no meaning beside ratioMetrics and is not carried")
        if fields.has("op"):
            fields.raw("op")
            fields.refuse("op", "has no meaning beside ratioMetrics", "remove it")
        metrics = fields.within("ratioMetrics", required=True)
        indicator["ratioMetric"] = {
            "counter": metrics.flag("incremental"),
            "good": _source(metrics.within("good", required=True)),
            "total": _source(metrics.within("total", required=True)),
        }
        metrics.close()
    else:
        found |= {"op": fields.text("op", required=True), "value": fields.number("value", required=True)}
    fields.close()
    return found, indicator
