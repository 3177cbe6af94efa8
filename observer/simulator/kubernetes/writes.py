"""Everything that changes something: create, update, patch, delete, scale and the Eviction API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from observer.simulator.kubernetes import events, pods, validation
from observer.simulator.kubernetes import patch as kube_patch
from observer.simulator.kubernetes.controllers import Controllers
from observer.simulator.kubernetes.kinds import CORE_EVENT, KINDS, Kind, Obj
from observer.simulator.kubernetes.managers import Path, record_managers
from observer.simulator.kubernetes.requests import Target, dry_run, is_true, manager_of, read_json, read_object
from observer.simulator.kubernetes.status import Refused, check_preconditions, invalid
from observer.simulator.kubernetes.store import Store, copy

SUCCESS: Final = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


class Writes:
    """Answers write requests with ``(HTTP status, JSON object)``; refuses as the API server does."""

    def __init__(self, store: Store, controllers: Controllers) -> None:
        self._store = store
        self._controllers = controllers

    def create(self, target: Target, query: Mapping[str, str], agent: str, raw: bytes) -> tuple[int, Obj]:
        """POST to a collection."""
        obj = read_object(raw)
        kind, meta = target.kind, obj["metadata"]
        _check_type(kind, obj)
        if kind.namespaced and meta.setdefault("namespace", target.namespace) != target.namespace:
            raise Refused(400, "the namespace of the provided object does not match the namespace sent on the request")
        if meta.get("resourceVersion"):
            raise Refused(500, "resourceVersion should not be set on objects to be created", reason="")
        obj = self._admit(kind, obj)
        validation.check(KINDS[kind.plural], obj, None)
        if dry_run(query):
            return 201, _shown(kind, obj)
        return 201, _shown(kind, self._store.create(kind.plural, obj, manager=manager_of(query, agent)))

    def update(self, target: Target, query: Mapping[str, str], agent: str, raw: bytes) -> tuple[int, Obj]:
        """PUT of an object, its status or its scale."""
        obj = read_object(raw)
        kind = target.kind
        if target.subresource == "scale":
            return self._set_scale(target, query, agent, obj)
        _check_type(kind, obj)
        where = {"name": target.name, "namespace": target.namespace} if kind.namespaced else {"name": target.name}
        _check_identity({"metadata": where}, obj)
        obj["metadata"] = {**obj["metadata"], **where}
        if kind.plural == "leases" and self._store.get(kind.plural, target.namespace, target.name) is None:
            validation.check(kind, obj, None)
            return 201, self._store.create(kind.plural, obj, manager=manager_of(query, agent))
        live = self._store.entry(kind.plural, target.namespace, target.name).object
        new = events.from_core(obj) if kind is CORE_EVENT else obj
        return 200, self._replace(target, query, manager_of(query, agent), live, new)

    def patch(self, target: Target, query: Mapping[str, str], agent: str, raw: bytes, form: str) -> tuple[int, Obj]:
        """PATCH in one of the four forms, by content type."""
        if form == kube_patch.APPLY_PATCH:
            return self._apply(target, query, raw)
        manager = manager_of(query, agent)
        kind = target.kind
        if target.subresource == "scale":
            scale = self.scale(target)
            return self._set_scale(target, query, agent, _patched(form, scale, read_json(raw)))
        live = self._store.entry(kind.plural, target.namespace, target.name).object
        if kind is CORE_EVENT:
            new = events.from_core(_patched(form, events.core_view(live), read_json(raw)))
        else:
            new = _patched(form, live, read_json(raw))
        _check_uid(target, live, new)
        return 200, self._replace(target, query, manager, live, new)

    def delete(self, target: Target, query: Mapping[str, str], raw: bytes) -> tuple[int, Obj]:
        """DELETE of one object; pods end gracefully."""
        options = read_object(raw) if raw.strip() else {}
        kind = target.kind
        entry = self._store.entry(kind.plural, target.namespace, target.name)
        check_preconditions(kind.kind, entry.object, options.get("preconditions") or {})
        if dry_run(query, options):
            return 200, _shown(kind, entry.object)
        if kind.plural == "namespaces":
            raise Refused(422, "deleting namespaces is not simulated", reason="Invalid")
        if kind.plural == "pods":
            grace = _grace(options, query)
            return 200, self._controllers.delete_pod(target.namespace, target.name, grace=grace)
        gone = self._store.delete(kind.plural, target.namespace, target.name)
        details = {"name": target.name, "kind": kind.plural, "uid": gone["metadata"]["uid"]}
        return 200, {**SUCCESS, "details": {**details, **({"group": kind.group} if kind.group else {})}}

    def evict(self, target: Target, query: Mapping[str, str], raw: bytes) -> tuple[int, Obj]:
        """POST to ``pods/NAME/eviction``."""
        body = read_object(raw)
        typed = (body.get("kind", "Eviction"), body.get("apiVersion", "policy/v1"))
        if typed not in (("Eviction", "policy/v1"), ("Eviction", "policy/v1beta1")):
            raise Refused(400, f'no kind "{typed[0]}" is registered for version "{typed[1]}"')
        if body["metadata"].get("name") != target.name:
            raise Refused(400, "name in URL does not match name in Eviction object")
        options = body.get("deleteOptions") or {}
        preconditions = options.get("preconditions") or {}
        self._controllers.evict(
            target.namespace,
            target.name,
            uid=preconditions.get("uid"),
            version=preconditions.get("resourceVersion"),
            grace=_grace(options, query),
            dry_run=dry_run(query, options),
        )
        return 201, {**SUCCESS, "code": 201}

    def scale(self, target: Target) -> Obj:
        """The Scale of a Deployment or ReplicaSet."""
        obj = self._store.entry(target.kind.plural, target.namespace, target.name).object
        meta = obj["metadata"]
        labels = obj["spec"]["selector"].get("matchLabels", {})
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {
                key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
            },
            "spec": {"replicas": obj["spec"].get("replicas", 1)},
            "status": {
                "replicas": obj.get("status", {}).get("replicas", 0),
                "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
            },
        }

    def _admit(self, kind: Kind, obj: Obj) -> Obj:
        if kind is CORE_EVENT:
            obj = events.from_core(obj)
            events.check_core(obj)
        elif kind.plural == "events":
            events.check_new(obj)
        elif kind.plural == "pods":
            namespace = self._store.get("namespaces", "", obj["metadata"]["namespace"])
            obj = pods.admit(obj, pods.injects(namespace))
        validation.fill(kind.plural, obj)
        return obj

    def _set_scale(self, target: Target, query: Mapping[str, str], agent: str, scale: Obj) -> tuple[int, Obj]:
        live = self._store.entry(target.kind.plural, target.namespace, target.name).object
        new = copy(live)
        new["spec"]["replicas"] = int((scale.get("spec") or {}).get("replicas", 0))
        if version := scale["metadata"].get("resourceVersion"):
            new["metadata"]["resourceVersion"] = version
        validation.check(target.kind, new, live)
        if not dry_run(query):
            self._store.update(target.kind.plural, new, manager=manager_of(query, agent), subresource="scale")
        return 200, self.scale(target)

    def _replace(self, target: Target, query: Mapping[str, str], manager: str, live: Obj, new: Obj) -> Obj:
        """Store ``new`` in place of ``live``, as far as this path may change it."""
        kind = target.kind
        new = _only_what_may_change(target, live, new)
        _check_identity(live, new)
        new = {**new, "metadata": dict(new["metadata"])}
        validation.fill(kind.plural, new)
        validation.check(KINDS[kind.plural], new, live)
        if kind.plural == "events" and kind is not CORE_EVENT:
            events.check_update(live, new)
        if dry_run(query):
            return _shown(kind, new)
        stored = self._store.update(kind.plural, new, manager=manager, subresource=target.subresource)
        return _shown(kind, stored)

    def _apply(self, target: Target, query: Mapping[str, str], raw: bytes) -> tuple[int, Obj]:
        manager = query.get("fieldManager", "")
        if not manager:
            text = "Required value: is required for apply patch"
            raise invalid("PatchOptions", "meta.k8s.io", "", [("fieldManager", "FieldValueRequired", text)])
        kind, wanted = target.kind, read_object(raw)
        _check_type(kind, wanted)
        if target.subresource or kind.plural == "events":
            raise Refused(422, f"server-side apply of {target.resource} is not simulated")
        wanted["metadata"].setdefault("name", target.name)
        live = self._store.get(kind.plural, target.namespace, target.name)
        merged, owned = kube_patch.apply_patch(live, wanted, manager, force=is_true(query.get("force", "")))
        if kind.namespaced:
            merged["metadata"]["namespace"] = target.namespace
        if live is not None:
            _check_identity(live, merged)
        validation.check(kind, merged, live)
        if dry_run(query):
            return 200 if live else 201, _shown(kind, merged)
        return self._store_applied(kind, live, merged, manager, owned)

    def _store_applied(
        self, kind: Kind, live: Obj | None, merged: Obj, manager: str, owned: set[Path]
    ) -> tuple[int, Obj]:
        merged = copy(merged)
        validation.fill(kind.plural, merged)
        merged.update(apiVersion=kind.api_version, kind=kind.kind)
        record_managers(live, merged, manager, self._store.now(), applied=owned)
        if live is None:
            return 201, _shown(kind, self._store.create(kind.plural, merged))
        return 200, _shown(kind, self._store.update(kind.plural, merged))


def _patched(form: str, live: Obj, patch: object) -> Obj:
    if form == kube_patch.JSON_PATCH:
        return kube_patch.json_patch(live, patch)
    if not isinstance(patch, dict):
        raise Refused(400, "the patch must be an object")
    if form == kube_patch.MERGE_PATCH:
        return kube_patch.merge_patch(live, patch)
    if form == kube_patch.STRATEGIC_PATCH:
        return kube_patch.strategic_patch(live, patch)
    raise Refused(415, f"the body of the request was in an unknown format: {form or 'none'}")


def _shown(kind: Kind, obj: Obj) -> Obj:
    return events.core_view(obj) if kind is CORE_EVENT else obj


def _check_type(kind: Kind, obj: Obj) -> None:
    given = (obj.get("apiVersion", kind.api_version), obj.get("kind", kind.kind))
    if given != (kind.api_version, kind.kind):
        raise Refused(400, f"the API version or kind in the data ({given[0]}, {given[1]}) does not match the request")


def _only_what_may_change(target: Target, live: Obj, new: Obj) -> Obj:
    """Status only through its subresource, the spec only without it, labels and annotations through both."""
    version = new["metadata"].get("resourceVersion")
    if target.subresource == "status":
        retained = {**live, "status": new.get("status", {}), "metadata": new["metadata"]}
    elif "status" in target.kind.subresources:
        retained = (
            {**new, "status": live["status"]} if "status" in live else {k: v for k, v in new.items() if k != "status"}
        )
    else:
        return new
    retained["metadata"] = dict(retained["metadata"])
    if version:
        retained["metadata"]["resourceVersion"] = version
    return retained


def _check_identity(live: Obj, new: Obj) -> None:
    meta, old = new["metadata"], live["metadata"]
    for field in ("name", "namespace"):
        wanted = meta.get(field, old.get(field))
        if wanted != old.get(field):
            text = f"the {field} of the object ({wanted}) does not match the {field} on the URL ({old.get(field)})"
            raise Refused(400, text)


def _check_uid(target: Target, live: Obj, new: Obj) -> None:
    """A patch may not even name another uid; an update is told by the store."""
    asked = new["metadata"].get("uid")
    if asked not in (None, live["metadata"]["uid"]):
        fault = ("metadata.uid", "FieldValueInvalid", f'Invalid value: "{asked}": field is immutable')
        raise invalid(target.kind.kind, target.kind.group, target.name, [fault])


def _grace(options: Obj, query: Mapping[str, str]) -> float | None:
    asked = options.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    return None if asked is None else float(asked)
