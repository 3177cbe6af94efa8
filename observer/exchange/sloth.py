"""Sloth's ``prometheus/v1`` files and its Kubernetes resource ``PrometheusServiceLevel``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from observer.domain import names
from observer.exchange.burn import Tier, policies
from observer.exchange.conversion import Converted, Fields, Plain, document
from observer.exchange.naming import metadata, named, percent
from observer.exchange.queries import FIXED, error_ratio, fixed, foreign_template, metric

VERSION: Final = "prometheus/v1"
API_VERSION: Final = "sloth.slok.dev/v1"
KIND: Final = "PrometheusServiceLevel"
_PAGE: Final = (Tier("page-1h", "page", 14.4, "1h", "5m"), Tier("page-6h", "page", 6.0, "6h", "30m"))
_TICKET: Final = (Tier("ticket-1d", "ticket", 3.0, "1d", "2h"), Tier("ticket-3d", "ticket", 1.0, "3d", "6h"))


@dataclass(frozen=True, slots=True)
class Spelling:
    """The file has ``error_query``, the resource ``errorQuery``."""

    error_query: str = "error_query"
    total_query: str = "total_query"
    error_ratio_query: str = "error_ratio_query"
    page_alert: str = "page_alert"
    ticket_alert: str = "ticket_alert"
    plugins: str = "slo_plugins"


_RESOURCE: Final = Spelling("errorQuery", "totalQuery", "errorRatioQuery", "pageAlert", "ticketAlert", "sloPlugins")


def from_file(data: object) -> Converted:
    """A ``prometheus/v1`` document."""
    out = Converted()
    fields = Fields(data, (), out)
    fields.text("version")
    _service(fields, Spelling(), {}, out)
    return out


def from_resource(data: object) -> Converted:
    """A ``PrometheusServiceLevel``."""
    out = Converted()
    fields = Fields(data, (), out)
    fields.text("apiVersion")
    fields.text("kind")
    meta = fields.within("metadata")
    meta.text("name")
    if meta.text("namespace"):
        meta.note("namespace", "is not carried", f"name the mesh service: {names.SLO_SCOPE}: NAMESPACE/SERVICE")
    for key, _ in meta.unread():
        meta.note(key, "of the resource is not carried", "the labels and annotations of spec are")
    if fields.has("status"):
        fields.raw("status")
        fields.note("status", "is the cluster's and not carried")
    _service(fields.within("spec", required=True), _RESOURCE, {}, out)
    fields.close()
    return out


def _service(fields: Fields, spelling: Spelling, labels: dict[str, str], out: Converted) -> None:
    service = fields.text("service", required=True)
    labels = labels | fields.words("labels")
    if fields.has(spelling.plugins):
        fields.raw(spelling.plugins)
        fields.refuse(spelling.plugins, "are programs of Sloth and cannot be carried", "write out what they change")
    for slo in fields.items("slos", required=True):
        _slo(slo, spelling, service, labels, out)
    fields.close()


def _slo(slo: Fields, spelling: Spelling, service: str, labels: dict[str, str], out: Converted) -> None:
    own = slo.text("name", required=True)
    name = named(slo, "name", f"{service}-{own}")
    labels = labels | slo.words("labels")
    description = slo.text("description")
    target = percent(slo, "objective", slo.number("objective", required=True))
    ratio = _sli(slo.within("sli", required=True), spelling)
    annotations, documents, references = _alerting(slo.within("alerting"), spelling, name)
    if slo.has("plugins"):
        slo.raw("plugins")
        slo.refuse("plugins", "are programs of Sloth and cannot be carried")
    slo.close()
    slo.note("", "the window is Sloth's default of 30d", "change timeWindow if Sloth ran with another period")
    spec: Plain = {"description": description} if description else {}
    spec |= {
        "service": service,
        "budgetingMethod": "Occurrences",
        "timeWindow": [{"duration": "30d", "isRolling": True}],
        "indicator": {"metadata": {"name": name}, "spec": {"ratioMetric": ratio}},
        "objectives": [{"displayName": own[:63], "targetPercent": target}],
    }
    if references:
        spec["alertPolicies"] = references
    out.documents += [document("SLO", metadata(name, labels, annotations), spec), *documents]


def _sli(sli: Fields, spelling: Spelling) -> Plain:
    kinds = [key for key in ("events", "raw", "plugin", "denominator_corrected") if sli.has(key)]
    if len(kinds) != 1:
        sli.refuse("", "needs exactly one of events and raw")
    found: Plain = {}
    if sli.has("events"):
        events = sli.within("events")
        error = _query(events, spelling.error_query)
        total = _query(events, spelling.total_query)
        events.close()
        ratio = error_ratio(error, total)
        found = ratio.metric
        if not ratio.events:
            _fixed_window(events)
    if sli.has("raw"):
        raw = sli.within("raw")
        query = _query(raw, spelling.error_ratio_query)
        raw.close()
        found = {"raw": metric(fixed(query)), "rawType": "failure"}
        _fixed_window(raw)
    for key in ("plugin", "denominator_corrected"):
        if sli.has(key):
            sli.raw(key)
            sli.refuse(key, "is a program of Sloth and cannot be carried", "write its queries out as events")
    sli.close()
    return found


def _query(fields: Fields, key: str) -> str:
    query = fields.text(key, required=True)
    if foreign_template(query):
        fields.refuse(key, "has template words other than {{.window}}")
    return query


def _fixed_window(fields: Fields) -> None:
    hint = "selectors beside counter: true keep every event"
    fields.note("", f"is more than sum(rate(...)): it is evaluated with a window of {FIXED}, as a value", hint)


def _alerting(fields: Fields, spelling: Spelling, name: str) -> tuple[dict[str, str], list[Plain], list[Plain]]:
    by_kind = {"page": _PAGE, "ticket": _TICKET}
    for kind, key in (("page", spelling.page_alert), ("ticket", spelling.ticket_alert)):
        alert = fields.within(key)
        if alert.flag("disable"):
            del by_kind[kind]
        _routing(alert)
        alert.close()
    if fields.text("name"):
        fields.note("name", "of the alert is not carried: Observer names alerts by objective and tier")
    _routing(fields)
    fields.close()
    if len(by_kind) == 2:
        return {names.SLO_BURN: "sre-30d"}, [], []
    documents, references = policies(name, [tier for tiers in by_kind.values() for tier in tiers])
    return {}, documents, references


def _routing(fields: Fields) -> None:
    for key in ("labels", "annotations"):
        if fields.words(key):
            fields.note(key, "of the alert are not carried: severity page or ticket is what routes it")
