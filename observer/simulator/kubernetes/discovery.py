"""What a client asks before it asks for objects: groups, resources, version, and who it is."""

from __future__ import annotations

from typing import Final

from observer.simulator.kubernetes.faults import Forbid, KubeFaults
from observer.simulator.kubernetes.kinds import Kind, Obj, all_kinds
from observer.simulator.kubernetes.status import Refused

VERSION: Final = {
    "major": "1",
    "minor": "35",
    "gitVersion": "v1.35.4",
    "gitCommit": "simulated",
    "gitTreeState": "clean",
    "platform": "linux/amd64",
}
VERBS: Final = ("create", "delete", "get", "list", "patch", "update", "watch")
REVIEWS: Final = {
    "/apis/authentication.k8s.io/v1/tokenreviews": "TokenReview",
    "/apis/authorization.k8s.io/v1/subjectaccessreviews": "SubjectAccessReview",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews": "SelfSubjectAccessReview",
}


def page(path: str) -> Obj | str | None:
    """The discovery document or health text at ``path``; None when it is none; refuses with 404 unknown groups."""
    if path in ("/healthz", "/readyz", "/livez"):
        return "ok"
    if path == "/version":
        return dict(VERSION)
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if path == "/apis":
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in _groups()]}
    parts = path.strip("/").split("/")
    if parts == ["api", "v1"]:
        return _resources("", "v1")
    if len(parts) == 2 and parts[0] == "apis" and parts[1] in _groups():
        return {"kind": "APIGroup", "apiVersion": "v1", **_group(parts[1])}
    if len(parts) == 3 and parts[0] == "apis":
        return _resources(parts[1], parts[2])
    return None


def _groups() -> dict[str, str]:
    versions = {kind.group: kind.version for kind in all_kinds() if kind.group}
    return {**versions, "authentication.k8s.io": "v1", "authorization.k8s.io": "v1"}


def _group(name: str) -> Obj:
    version = {"groupVersion": f"{name}/{_groups()[name]}", "version": _groups()[name]}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(group: str, version: str) -> Obj:
    rows = [row for kind in all_kinds() if (kind.group, kind.version) == (group, version) for row in _rows(kind)]
    if not rows and _groups().get(group) != version:
        raise Refused(404, "the server could not find the requested resource")
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": rows}


def _rows(kind: Kind) -> list[Obj]:
    row: Obj = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(VERBS),
    }
    if kind.short:
        row["shortNames"] = list(kind.short)
    return [row, *(_subresource(kind, name) for name in kind.subresources)]


def _subresource(kind: Kind, name: str) -> Obj:
    row: Obj = {"name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced, "kind": kind.kind}
    row["verbs"] = {"eviction": ["create"], "log": ["get"]}.get(name, ["get", "patch", "update"])
    if name == "eviction":
        row.update(kind="Eviction", group="policy", version="v1")
    if name == "scale":
        row.update(kind="Scale", group="autoscaling", version="v1")
    return row


def review(path: str, body: Obj, faults: KubeFaults) -> Obj:
    """A TokenReview, SubjectAccessReview or SelfSubjectAccessReview with its status."""
    spec = body.get("spec") or {}
    if REVIEWS[path] == "TokenReview":
        user = faults.tokens.get(str(spec.get("token", "")))
        status: Obj = {"authenticated": user is not None}
        status.update(
            {"user": {"username": user, "groups": ["system:authenticated"]}}
            if user
            else {"error": "invalid bearer token"}
        )
    elif REVIEWS[path] == "SubjectAccessReview":
        asked = spec.get("resourceAttributes") or {}
        wanted = f"{asked.get('verb')} {asked.get('resource')}.{asked.get('group')}"
        names = [str(spec.get("user", "")), *map(str, spec.get("groups") or ())]
        status = {"allowed": any(wanted in faults.grants.get(name, ()) for name in names)}
    else:
        asked = spec.get("resourceAttributes") or {}
        resource = asked.get("resource", "") + (f"/{asked['subresource']}" if asked.get("subresource") else "")
        status = {"allowed": allowed(faults, asked.get("verb", ""), resource, asked.get("namespace", ""))}
    return {**body, "status": status}


def allowed(faults: KubeFaults, verb: str, resource: str, namespace: str) -> bool:
    """No rule in force forbids it; asking uses up no rule."""
    met = (rule.effect for rule in reversed(faults.rules) if rule.meets(verb, resource, namespace, rule.name))
    return not isinstance(next(met, None), Forbid)
