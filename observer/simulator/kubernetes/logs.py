"""Container logs: what was told to them, or a few lines that every server writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from observer.simulator.kubernetes import pods
from observer.simulator.kubernetes.kinds import Obj
from observer.simulator.kubernetes.requests import number
from observer.simulator.kubernetes.status import Refused


class PodLogs:
    """Log lines by pod uid and container."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], list[str]] = defaultdict(list)

    def write(self, uid: str, container: str, line: str) -> None:
        """Append one line."""
        self._lines[(uid, container)].append(line)

    def read(self, pod: Obj, query: Mapping[str, str]) -> bytes:
        """The log as ``pods/NAME/log`` answers it; refuses with 400 as the API server and its kubelets do."""
        name = pod["metadata"]["name"]
        container = query.get("container") or _only_container(pod)
        row = pods.status_of(pod, container)
        names = [item["name"] for field in ("containers", "initContainers") for item in pod["spec"].get(field, ())]
        if container not in names:
            raise Refused(400, f"container {container} is not valid for pod {name}")
        if row is None or "waiting" in row["state"]:
            reason = row["state"]["waiting"]["reason"] if row is not None else "ContainerCreating"
            raise Refused(400, f'container "{container}" in pod "{name}" is waiting to start: {reason}')
        if query.get("previous") == "true" and row["restartCount"] == 0:
            raise Refused(400, f'previous terminated container "{container}" in pod "{name}" not found')
        lines = self._lines.get((pod["metadata"]["uid"], container)) or _usual(row)
        tail = number(query, "tailLines")
        text = "".join(f"{line}\n" for line in (lines[-tail:] if "tailLines" in query and tail else lines)).encode()
        return text[: number(query, "limitBytes")] if "limitBytes" in query else text


def _only_container(pod: Obj) -> str:
    containers = [item["name"] for item in pod["spec"]["containers"]]
    if len(containers) > 1:
        name, choice = pod["metadata"]["name"], " ".join(containers)
        raise Refused(400, f"a container name must be specified for pod {name}, choose one of: [{choice}]")
    return str(containers[0])


def _usual(row: Obj) -> list[str]:
    since = row["state"].get("running", row["state"].get("terminated", {})).get("startedAt", "")
    return [f"{since} {row['name']}: started", f"{since} {row['name']}: listening"]
