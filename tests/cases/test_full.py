"""
Cases that need a process or a compiler of their own, asked for with ``OBSERVER_CASES_FULL=1``.

The admission policy is judged by the CEL that the API server runs, which needs Go and its module proxy; a daemon that
runs out of files is a process with a limit of its own, and is watched for half a minute.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from observer.simulator.clock import SimClock
from observer.simulator.kubernetes.kubeconfig import write_kubeconfig
from observer.simulator.scenarios.world import World
from tests.cases.commands import FILES
from tests.cases.rows import case, wrong
from tests.support.ports import free_port

pytestmark = pytest.mark.full

ROOT = FILES.parents[1]
OWNER = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "1", "controller": True}
GONE = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "dead"}]
LABELS, NOTES = {"app": "x"}, {"a": "b"}
DRAINING = LABELS | {"istio.io/draining": "true"}
NOTED = NOTES | {"observer.dev/drained": "{}"}
ENABLED = {"metadata": {"name": "shop", "labels": {"observer.dev/enabled": "true"}}}
ELSEWHERE: dict[str, Any] = {"metadata": {"name": "kube-system", "labels": {}}}


def pod(**changes: Any) -> dict[str, Any]:
    meta = {"name": "p", "namespace": "shop", "labels": LABELS, "annotations": NOTES, "ownerReferences": [OWNER]}
    meta = {key: value for key, value in (meta | changes).items() if value is not None}
    return {"metadata": meta, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}}


def answer(old: dict[str, Any], new: dict[str, Any], namespace: dict[str, Any]) -> str:
    """What the shipped policy says to the daemon's account."""
    path = next(iter(sorted((ROOT / "deploy").rglob("admission*.yaml"))))
    documents = list(yaml.safe_load_all(path.read_text()))
    spec = next(
        document["spec"]
        for document in documents
        if document["kind"] == "ValidatingAdmissionPolicy"
        and "pods" in document["spec"]["matchConstraints"]["resourceRules"][0]["resources"]
    )
    user = {"userInfo": {"username": "system:serviceaccount:observer:observer"}}
    facts = {"object": new, "oldObject": old, "namespaceObject": namespace, "request": user}
    question = {
        "conditions": spec.get("matchConditions", []),
        "variables": spec.get("variables", []),
        "validations": spec["validations"],
        "attempts": [{"name": "attempt", "facts": facts}],
    }
    done = subprocess.run(
        ["go", "run", "-mod=readonly", "."],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        cwd=FILES / "admission",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().partition("\t")[2].partition(" ")[0]


FORBIDS = "a list of what is forbidden instead of what is allowed"


@pytest.mark.needs("go")
@pytest.mark.parametrize(
    ("old", "new", "namespace", "right"),
    [
        case(pod(), pod(labels=DRAINING), ENABLED, "ALLOWED", name="a drain"),
        case(pod(), pod(labels=DRAINING), ELSEWHERE, "DENIED", name="a drain elsewhere"),
        case(pod(labels=DRAINING, annotations=NOTED), pod(), ELSEWHERE, "ALLOWED", name="a restore elsewhere"),
        case(pod(), pod(ownerReferences=GONE), ENABLED, "DENIED", row="X2", kind=FORBIDS, name="another owner"),
        case(pod(), pod(ownerReferences=GONE), ELSEWHERE, "DENIED", row="X2", kind=FORBIDS, name="elsewhere, too"),
        case(pod(), pod(ownerReferences=None), ELSEWHERE, "DENIED", row="X2", kind=FORBIDS, name="no owner"),
        case(pod(), pod(annotations=NOTED), ELSEWHERE, "DENIED", row="X2", kind=FORBIDS, name="a note without a drain"),
    ],
)
def test_the_admission_policy_lets_pass_what_observer_does_and_nothing_else(
    old: dict[str, Any], new: dict[str, Any], namespace: dict[str, Any], right: str
) -> None:
    assert answer(old, new, namespace) == right


@wrong("X3", "an error of a side task ends the process")
async def test_a_daemon_that_runs_out_of_files_lives(tmp_path: Path) -> None:
    port, most = free_port(), 512
    async with World(seed=7, clock=SimClock(speed=1.0), history=60.0) as world:
        prometheus, kubernetes = await world.serve()
        config = tmp_path / "observer.yaml"
        config.write_text(
            f"tick: 1s\nprometheus: {{url: '{prometheus}', history_seconds: 10m}}\n"
            f"kubernetes: {{kubeconfig: {write_kubeconfig(tmp_path / 'kubeconfig', kubernetes)}}}\n"
            f"journal: sqlite+aiosqlite:///{tmp_path}/journal.db\naudit: {tmp_path}/audit.jsonl\n"
            f"evidence: {{path: {tmp_path}/evidence}}\nlisten: 127.0.0.1:{port}\n"
        )
        with (tmp_path / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "observer", "run", "--config", str(config), stdout=log, stderr=log,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),
                env=dict(os.environ, PYTHONPATH=str(ROOT)),
            )  # fmt: skip
        try:
            async with asyncio.timeout(90):
                while "tick_completed" not in (tmp_path / "log").read_text():
                    await asyncio.sleep(0.25)
            half_open = []
            for _ in range(most + 100):
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    break
                writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ")
                half_open.append((reader, writer))
            for _ in range(60):
                if process.returncode is None:
                    await asyncio.sleep(0.5)
            lives = process.returncode is None
            for _, writer in half_open:
                writer.close()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    assert lives
