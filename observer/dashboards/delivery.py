"""Dashboards on ways that need no API: ConfigMaps for Grafana's sidecar, files that it is provisioned from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import yaml

from observer.dashboards.model import Dashboard
from observer.dashboards.render import text
from observer.domain import names

CONFIG_MAPS: Final = "observer-dashboards.configmaps.yaml"
PROVIDER: Final = "observer-dashboards.provider.yaml"


class _Literal(str):
    """A text that YAML writes as a block, so that people can read it and a difference is a difference of lines."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Knows blocks."""


_Dumper.add_representer(
    _Literal, lambda dumper, data: dumper.represent_scalar("tag:yaml.org,2002:str", str(data), style="|")
)


def config_maps(dashboards: Iterable[Dashboard], *, namespace: str, folder: str) -> str:
    """One ConfigMap a dashboard, with the label that Grafana's sidecar looks for; ``folder`` empty = its default."""
    return "---\n".join(_yaml(_config_map(dashboard, namespace, folder)) for dashboard in dashboards)


def provider(path: str, *, folder: str, title: str) -> str:
    """The file for ``provisioning/dashboards``; ``path`` is where Grafana finds the JSON files."""
    return _yaml(
        {
            "apiVersion": 1,
            "providers": [
                {
                    "name": "observer",
                    "orgId": 1,
                    "folder": title,
                    "folderUid": folder,
                    "type": "file",
                    "disableDeletion": False,
                    "updateIntervalSeconds": 30,
                    "allowUiUpdates": False,
                    "options": {"path": path, "foldersFromFilesStructure": False},
                }
            ],
        }
    )


def _config_map(dashboard: Dashboard, namespace: str, folder: str) -> dict[str, object]:
    meta: dict[str, object] = {
        "name": f"dashboard-{dashboard.uid}",
        "namespace": namespace,
        "labels": {names.GRAFANA_SIDECAR: "1"},
    }
    if folder:
        meta["annotations"] = {names.GRAFANA_FOLDER: folder}
    data = {f"{dashboard.uid}.json": _Literal(text(dashboard))}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def _yaml(body: dict[str, object]) -> str:
    return yaml.dump(body, Dumper=_Dumper, sort_keys=False, width=1_000_000, allow_unicode=True)
