"""Keeps what a person will want to see of a pod before it is evicted: object, events, last log lines, figures."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from observer.domain.decision import Decision
from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.domain.ids import PodRef
from observer.domain.json_values import mapping, rows
from observer.ports.sources import Cluster

_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
log = structlog.get_logger(__name__)


class EvidenceStore:
    """
    Writes one folder an incident below ``root``.

    Evidence that cannot be had (no permission for logs, say) is named in ``missing`` of ``figures.json``; it does not
    stop the eviction, but a disk that cannot be written does: then ``keep`` raises ``OSError``.
    """

    def __init__(
        self, cluster: Cluster, root: Path, *, logs: bool, lines: int, max_bytes: int, redact: Sequence[str]
    ) -> None:
        self._cluster, self._root = cluster, root
        self._logs, self._lines, self._max_bytes = logs, lines, max_bytes
        self._redact = [re.compile(pattern) for pattern in redact]

    async def keep(self, pod: PodRef, raw: Mapping[str, object], decision: Decision) -> Path:
        """Gather and write; returns the folder."""
        missing: list[str] = []
        files = {"pod.json": json.dumps(_without_secrets(raw), indent=1, sort_keys=True)}
        try:
            files["events.json"] = json.dumps(await self._cluster.pod_events(pod), indent=1)
        except (SourceUnavailable, SourceProtocolError, TimeoutError) as exc:
            missing.append(f"events: {exc}")
        if self._logs:
            for container in _containers(raw):
                try:
                    text = await self._cluster.pod_logs(pod, container, self._lines, self._max_bytes)
                    files[f"{container}.log"] = self._redacted(text)
                except (SourceUnavailable, SourceProtocolError, TimeoutError) as exc:
                    missing.append(f"log of {container}: {exc}")
        files["figures.json"] = json.dumps(
            {"subject": decision.subject, "at": decision.at, "text": decision.text}
            | {"figures": dict(decision.figures), "missing": missing},
            indent=1,
        )
        folder = self._root / decision.incident
        await asyncio.to_thread(_write, folder, files)
        log.info("evidence_saved", incident=decision.incident, folder=str(folder), missing=missing)
        return folder

    def _redacted(self, text: str) -> str:
        for pattern in self._redact:
            text = pattern.sub(lambda match: (match.group(1) if match.groups() else "") + " [redacted]", text)
        return text


def _without_secrets(raw: Mapping[str, object]) -> dict[str, object]:
    """A copy without the values of environment variables, and without the annotation that repeats the manifest."""
    meta, spec = dict(mapping(raw.get("metadata"))), dict(mapping(raw.get("spec")))
    if "annotations" in meta:
        annotations = mapping(meta["annotations"]).items()
        meta["annotations"] = {name: value for name, value in annotations if name != _APPLIED}
    for key in ("initContainers", "containers", "ephemeralContainers"):
        if key in spec:
            spec[key] = [_without_values(container) for container in rows(spec[key])]
    return {**raw, "metadata": meta, "spec": spec}


def _without_values(container: Mapping[str, object]) -> Mapping[str, object]:
    variables = [{**each, "value": "[redacted]"} if "value" in each else each for each in rows(container.get("env"))]
    return {**container, "env": variables} if variables else container


def _containers(raw: Mapping[str, object]) -> list[str]:
    spec = mapping(raw.get("spec"))
    listed = (container for key in ("initContainers", "containers") for container in rows(spec.get(key)))
    return [str(container.get("name")) for container in listed]


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # one that was there before, too
    for name, text in files.items():
        path = folder / name
        path.touch(mode=0o600)
        path.chmod(0o600)
        with path.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
