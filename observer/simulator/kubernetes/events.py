"""
Kubernetes Events: one store, two shapes.

They are stored as events.k8s.io/v1; ``core_view`` shows the same object as core/v1 does.
"""

from __future__ import annotations

import itertools
import re
from typing import Final

from observer.simulator.kubernetes.kinds import Obj, parse_time, rfc3339
from observer.simulator.kubernetes.status import Refused, invalid
from observer.simulator.kubernetes.store import Store

RETENTION_SECONDS: Final = 3600.0
"""Events older than this are removed, as an API server does."""

_QUALIFIED = re.compile(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_IMMUTABLE: Final = (
    "type", "reason", "action", "note", "regarding", "related", "reportingController", "reportingInstance", "eventTime",
)  # fmt: skip
_STORED_AS: Final = {
    "note": "message",
    "regarding": "involvedObject",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
"""What refusals call a field: the name in the server's own, older type."""
_DEPRECATED: Final = ("deprecatedSource", "deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount")


class EventWriter:
    """Writes the events that controllers and kubelets tell; quiet when ``on`` is false."""

    def __init__(self, store: Store, *, on: bool = True) -> None:
        self._store = store
        self._on = on
        self._order = itertools.count(1)

    def emit(self, about: Obj, reason: str, message: str, component: str, *, warn: bool = False) -> None:
        """Tell something about an object, in the way of components that still use the old recorder."""
        if not self._on:
            return
        meta = about["metadata"]
        now = rfc3339(self._store.now())
        event = {
            "metadata": {
                "name": f"{meta['name']}.{next(self._order):016x}",
                "namespace": meta.get("namespace", "default"),
            },
            "regarding": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": meta["name"],
                "namespace": meta.get("namespace", ""),
                "resourceVersion": meta["resourceVersion"],
                "uid": meta["uid"],
            },
            "reason": reason,
            "note": message,
            "type": "Warning" if warn else "Normal",
            "eventTime": None,
            "reportingController": component,
            "deprecatedSource": {"component": component},
            "deprecatedFirstTimestamp": now,
            "deprecatedLastTimestamp": now,
            "deprecatedCount": 1,
        }
        self._store.create("events", event, take=True)

    def expire(self, now: float) -> None:
        """Remove what is older than an hour."""
        for event in self._store.list("events"):
            meta = event["metadata"]
            if parse_time(meta["creationTimestamp"]) < now - RETENTION_SECONDS:
                self._store.delete("events", meta["namespace"], meta["name"])


def core_view(event: Obj) -> Obj:
    """The core/v1 shape of a stored event."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": event["metadata"],
        "involvedObject": event.get("regarding", {}),
        **({"related": event["related"]} if event.get("related") else {}),
        "reason": event.get("reason", ""),
        "message": event.get("note", ""),
        "source": event.get("deprecatedSource", {}),
        "firstTimestamp": event.get("deprecatedFirstTimestamp"),
        "lastTimestamp": event.get("deprecatedLastTimestamp"),
        **({"count": event["deprecatedCount"]} if event.get("deprecatedCount") else {}),
        "type": event.get("type", ""),
        "eventTime": event.get("eventTime"),
        **({"series": event["series"]} if event.get("series") else {}),
        **({"action": event["action"]} if event.get("action") else {}),
        "reportingComponent": event.get("reportingController", ""),
        "reportingInstance": event.get("reportingInstance", ""),
    }


def from_core(event: Obj) -> Obj:
    """The stored shape of an event written through core/v1."""
    renamed = {
        "involvedObject": "regarding",
        "message": "note",
        "source": "deprecatedSource",
        "firstTimestamp": "deprecatedFirstTimestamp",
        "lastTimestamp": "deprecatedLastTimestamp",
        "count": "deprecatedCount",
        "reportingComponent": "reportingController",
    }
    return {renamed.get(key, key): value for key, value in event.items()}


def check_new(event: Obj) -> None:
    """Refuses with 422 an event that events.k8s.io/v1 would not take; every fault at once."""
    faults = [*_required(event), *_bounds(event)]
    if not event.get("regarding", {}).get("namespace"):  # the newer API takes an event about another namespace
        faults += _namespace(event)
    unset = 'Invalid value: "": needs to be unset'
    faults += [(_STORED_AS.get(f, f), "FieldValueInvalid", unset) for f in _DEPRECATED if event.get(f)]
    if faults:
        raise invalid("Event", "", str(event["metadata"].get("name", "")), faults)


def check_core(event: Obj) -> None:
    """Refuses with 422 what core/v1 would not take: the object must live in the event's namespace."""
    faults = _namespace(event)
    if faults:
        raise invalid("Event", "", str(event["metadata"].get("name", "")), faults)


def check_update(old: Obj, new: Obj) -> None:
    """Refuses with 422 any change of a written event but its series."""
    faults = [
        (_STORED_AS.get(field, field), "FieldValueInvalid", f'Invalid value: "{new.get(field)}": field is immutable')
        for field in _IMMUTABLE
        if old.get(field) != new.get(field)
    ]
    series = new.get("series")
    if series is not None and int(series.get("count", 0)) < 2:
        faults.append(("series.count", "FieldValueInvalid", 'Invalid value: "": should be at least 2'))
    if faults:
        raise invalid("Event", "", str(new["metadata"]["name"]), faults)


def _required(event: Obj) -> list[tuple[str, str, str]]:
    needed = ("reportingController", "reportingInstance", "action", "reason")
    faults = [(field, "FieldValueRequired", "Required value") for field in needed if not event.get(field)]
    when = event.get("eventTime")
    if not when:
        faults.append(("eventTime", "FieldValueRequired", "Required value"))
    else:
        _micro_time(str(when))
    if event.get("type") not in ("Normal", "Warning"):
        faults.append(("type", "FieldValueInvalid", f'Invalid value: "{event.get("type", "")}": has invalid value'))
    return faults


def _micro_time(text: str) -> None:
    if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)", text):
        return
    why = f'parsing time "{text}" as "2006-01-02T15:04:05.000000Z07:00"'
    raise Refused(400, f'Event in version "v1" cannot be handled as a Event: {why}')


def _bounds(event: Obj) -> list[tuple[str, str, str]]:
    faults = [
        (_STORED_AS.get(field, field), "FieldValueInvalid", f'Invalid value: "": can have at most {most} characters')
        for field, most in (("reportingInstance", 128), ("action", 128), ("reason", 128), ("note", 1024))
        if len(str(event.get(field, "")).encode()) > most
    ]
    controller = event.get("reportingController", "")
    if controller and not _QUALIFIED.match(controller):
        faults.append(("reportingController", "FieldValueInvalid", f'Invalid value: "{controller}": no qualified name'))
    series = event.get("series")
    if series is not None and (int(series.get("count", 0)) < 2 or not series.get("lastObservedTime")):
        faults.append(("series.count", "FieldValueInvalid", 'Invalid value: "": should be at least 2'))
    return faults


def _namespace(event: Obj) -> list[tuple[str, str, str]]:
    where = event["metadata"].get("namespace", "")
    about = event.get("regarding", {}).get("namespace", "")
    if about == where or (not about and where in ("default", "")):
        return []
    return [
        ("involvedObject.namespace", "FieldValueInvalid", f'Invalid value: "{about}": does not match event.namespace')
    ]


def event_fields(event: Obj) -> Obj:
    """What field selectors of events may name, in both spellings."""
    about = event.get("regarding", {})
    fields: Obj = {"reason": event.get("reason", ""), "type": event.get("type", "")}
    fields["reportingComponent"] = fields["reportingController"] = event.get("reportingController", "")
    fields["source"] = event.get("deprecatedSource", {}).get("component", "") or event.get("reportingController", "")
    for prefix in ("involvedObject", "regarding"):
        for key in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"):
            fields[f"{prefix}.{key}"] = about.get(key, "")
    return fields
