"""The parts of the lab that need no lab: images, versions, process records, refusals, what the stories read."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.lab.harness.bars import chosen_kinds
from tests.lab.harness.cluster import Cluster, parse_pod, seconds
from tests.lab.harness.fitness import Fitness
from tests.lab.harness.metrics import Metrics
from tests.lab.stack import ownership, requirements, shop, telemetry
from tests.lab.stack.errors import LabError, LabRefused
from tests.lab.stack.oci import Image, write_archive
from tests.lab.stack.places import NODES, Places, hub_address, node_address, places, pod_range
from tests.lab.stack.processes import Daemons, birth, run, wait_until
from tests.lab.stack.servers import BY_NAME, NEEDED, SERVERS
from tests.support.contract_sides import side_of, uneven


def blobs(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        return {name: content.read() for name, content in found.items() if content is not None}


def test_images_share_a_base_and_every_blob_has_its_digest(tmp_path: Path) -> None:
    base, program = tmp_path / "base.tar", tmp_path / "program"
    base.write_bytes(b"a root file system")
    program.write_bytes(b"\x7fELF")
    images = [Image(f"lab.local/{name}:1", [f"/{name}"], {f"/{name}": program}, base) for name in ("one", "two")]
    write_archive(images, tmp_path / "images.tar")
    inside = blobs(tmp_path / "images.tar")
    manifests = json.loads(inside["index.json"])["manifests"]
    names = [one["annotations"]["io.containerd.image.name"] for one in manifests]
    assert names == ["lab.local/one:1", "lab.local/two:1"]
    assert list(inside.values()).count(b"a root file system") == 1
    for name, content in inside.items():
        if name.startswith("blobs/sha256/"):
            assert hashlib.sha256(content).hexdigest() == Path(name).name


def test_the_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    for name in ("first.tar", "second.tar"):
        write_archive([Image("lab.local/one:1", ["/one"], {"/one": program})], tmp_path / name)
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
def test_every_server_is_pinned_with_checksums(server: object) -> None:
    one = BY_NAME[getattr(server, "name", "")]
    assert one.version.startswith("v")
    assert f"{one.module} {one.version} h1:" in (one.wrapper / "go.sum").read_text()


def test_prometheus_tells_its_release_and_kubernetes_its_version() -> None:
    assert "version.Version=3.16.0" in BY_NAME["prometheus"].linker_flags()
    assert "version.gitMinor=35" in BY_NAME["kubernetes"].linker_flags()
    assert "jaeger" not in NEEDED


def test_addresses_do_not_meet() -> None:
    ends = [address(node) for node in NODES for address in (node_address, hub_address)]
    assert len(set(ends)) == len(ends)
    assert len({pod_range(node) for node in NODES}) == len(NODES)


def test_the_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("OBSERVER_LAB", raising=False)
    assert places().root == tmp_path / "observer-lab"
    monkeypatch.setenv("OBSERVER_LAB", str(tmp_path / "own"))
    assert places().root == tmp_path / "own"


def test_refuses_without_linux_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(LabRefused, match="it needs Linux, and this is Darwin"):
        requirements.check_machine()


def test_refuses_all_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(requirements, "CGROUPS", tmp_path)
    with pytest.raises(LabRefused) as refused:
        requirements.check_machine()
    told = str(refused.value)
    assert all(word in told for word in ("root", "cgroup v1", "containerd", "tests/lab/debian-packages.sh install"))


def test_refuses_without_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(LabRefused, match=r"needs Go 1\.26 or later, and no `go`"):
        requirements.check_go()


def test_a_second_lab_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ownership, "OWNER", tmp_path / "owner")
    first, second = Places(tmp_path / "first"), Places(tmp_path / "second")
    ownership.claim(first)
    with pytest.raises(LabRefused, match=f"a lab is up already: {first.root}"):
        ownership.check_free()
    with pytest.raises(LabRefused, match="is not this one"):
        ownership.check_owned(second)
    ownership.check_owned(first)
    ownership.release()
    with pytest.raises(LabRefused, match="no lab is up"):
        ownership.check_owned(first)


def test_a_command_that_fails_tells_its_last_words() -> None:
    with pytest.raises(LabError, match="exit 3\nout of paper"):
        run([sys.executable, "-c", "import sys; sys.stderr.write('out of paper'); sys.exit(3)"])
    with pytest.raises(LabError, match="no end after"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2)


def test_waiting_says_what_for_and_what_was_last_said() -> None:
    def never() -> bool:
        raise LabError("the door is shut")

    with pytest.raises(LabError, match="not within 0 s: the door opens; last: the door is shut"):
        wait_until(never, "the door opens", seconds=0.01, every=0.01)


def test_a_later_process_with_the_same_number_is_not_ours(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path / "records", tmp_path / "logs")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        record = {"pid": child.pid, "born": birth(child.pid), "command": [], "place": "hub", "env": {}}
        (tmp_path / "records").mkdir()
        (tmp_path / "records" / "ours.json").write_text(json.dumps(record))
        (tmp_path / "records" / "later.json").write_text(json.dumps({**record, "born": "1"}))
        assert daemons.alive("ours")
        assert not daemons.alive("later")
        daemons.stop("later")
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
    assert not daemons.alive("ours")
    assert daemons.names() == ["later", "ours"]


def test_a_daemon_never_started_cannot_start_again(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="etcd was never started"):
        Daemons(tmp_path, tmp_path).again("etcd")


def test_the_shop_lets_observer_act_and_injects_sidecars() -> None:
    namespace, *others = shop.objects()
    assert namespace["metadata"]["labels"] == {"istio-injection": "enabled", "observer.dev/enabled": "true"}
    kinds = [one["kind"] for one in others]
    assert kinds.count("Deployment") == len(shop.REPLICAS)
    assert sum(one["spec"]["replicas"] for one in others if one["kind"] == "Deployment") == 20


def test_faults_go_round_the_sidecar() -> None:
    template = shop.deployment("catalog-v1")["spec"]["template"]
    annotations = template["metadata"]["annotations"]
    assert annotations["traffic.sidecar.istio.io/excludeInboundPorts"] == str(shop.CONTROL_PORT)


def test_scrapes_may_map_pod_labels(tmp_path: Path) -> None:
    plain = telemetry.scrape_configuration(Places(tmp_path))
    mapped = telemetry.scrape_configuration(Places(tmp_path), map_pod_labels=True)
    assert "labelmap" not in json.dumps(plain)
    assert "__meta_kubernetes_pod_label_(.+)" in json.dumps(mapped)


def test_a_pod_is_read_with_its_sidecar() -> None:
    item = {
        "metadata": {
            "name": "cart-1",
            "uid": "u",
            "creationTimestamp": "2026-11-23T20:00:00Z",
            "labels": {"app": "cart", "version": "v1", "istio.io/draining": "true"},
            "annotations": {"observer.dev/drained": "{}"},
        },
        "spec": {"nodeName": "n1"},
        "status": {
            "podIP": "198.18.1.3",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "app", "restartCount": 1, "containerID": "containerd://a"}],
            "initContainerStatuses": [
                {"name": "istio-init", "restartCount": 5, "containerID": "containerd://i"},
                {"name": "istio-proxy", "restartCount": 2, "containerID": "containerd://p"},
            ],
        },
    }
    pod = parse_pod(item)
    assert (pod.restarts, pod.ready, pod.deleting, pod.drained_by_observer) == (3, True, False, True)
    assert pod.containers == {"app": "containerd://a", "istio-proxy": "containerd://p"}
    assert seconds("2026-11-23T20:00:00.5Z") - pod.created == 0.5


def test_kinds_of_bars_keep_their_order_and_unknown_ones_are_named() -> None:
    assert chosen_kinds("restart,quiet") == ("restart", "quiet")
    assert chosen_kinds(" quiet, quiet") == ("quiet",)
    for text, named in (("quiet,loud", "'loud'"), ("", "''")):
        with pytest.raises(argparse.ArgumentTypeError, match=named):
            chosen_kinds(text)


@pytest.mark.parametrize("world", ["simulator", "real"])
def test_a_contract_test_belongs_to_the_side_it_was_parametrised_with(
    request: pytest.FixtureRequest, world: str
) -> None:
    assert side_of(request.node) == world


def test_a_test_without_a_side_has_none(request: pytest.FixtureRequest) -> None:
    assert side_of(request.node) == ""


def test_sides_are_even_only_when_as_many_passed_on_both() -> None:
    assert not uneven({"simulator": 3, "real": 3})
    for passed in ({"simulator": 3, "real": 2}, {"simulator": 3}, {"simulator": 0, "real": 0}, {}):
        assert uneven(passed)


class NoPods(Cluster):
    def __init__(self) -> None:
        """No server is needed to have no pods."""

    def pods(self, app: str = "", version: str = "", namespace: str = "") -> list[Any]:
        return []


class Silent(Metrics):
    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        raise requests.ConnectionError(expression)


def test_a_server_that_the_story_stopped_makes_no_failure_the_labs() -> None:
    fitness = Fitness(NoPods(), Silent())
    fitness.begin()
    assert fitness.faults() == ["the lab does not answer: ConnectionError"]
    fitness.ignore_scrapes()
    assert fitness.faults() == []
