"""The commands as a person runs them: another process, the simulated mesh, text and JSON, exit codes."""

from __future__ import annotations

import asyncio
import copy
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from observer.domain import names
from observer.simulator.clock import SimClock
from observer.simulator.kubernetes.kubeconfig import write_kubeconfig
from observer.simulator.scenarios.world import World

HEAVY = "kubernetes_asyncio"


@dataclass
class Person:
    """Runs commands with one settings file."""

    world: World
    config: Path

    async def runs(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "observer", *words, "--config", str(self.config),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()


@pytest.fixture
async def person(tmp_path: Path) -> AsyncIterator[Person]:
    async with World(seed=5, clock=SimClock(speed=1.0), history=120.0) as world:
        prometheus, kubernetes = await world.serve()
        config = tmp_path / "observer.yaml"
        config.write_text(
            yaml.safe_dump(
                {
                    "prometheus": {"url": prometheus},
                    "kubernetes": {"kubeconfig": str(write_kubeconfig(tmp_path / "kubeconfig", kubernetes))},
                    "journal": f"sqlite+aiosqlite:///{tmp_path / 'journal.db'}",
                    "audit": str(tmp_path / "audit.jsonl"),
                    "listen": "127.0.0.1:1",
                }
            )
        )
        yield Person(world, config)


async def test_pause_is_read_back_and_resume_ends_it(person: Person) -> None:
    code, out, _ = await person.runs("pause", "--reason", "storm", "--json")
    assert (code, json.loads(out)["paused"]) == (0, True) and "storm" in json.loads(out)["reason"]
    code, out, _ = await person.runs("resume")
    assert code == 0 and "running" in out


async def test_doctor_finds_the_simulated_mesh_healthy(person: Person) -> None:
    code, out, err = await person.runs("doctor", "--json")
    findings = json.loads(out)
    assert [one for one in findings if one["ok"] is False] == [], err
    assert code == 0 and {"name", "ok", "detail", "remedy"} == set(findings[0])
    assert any("prometheus" in one["name"] for one in findings)


async def test_doctor_asks_the_neighbours_that_are_named(person: Person) -> None:
    jaeger, kiali = await person.world.serve_neighbours()
    neighbours = {"jaeger": {"url": jaeger, "timeout": "60s"}, "kiali": {"url": kiali, "timeout": "60s"}}
    settings = yaml.safe_load(person.config.read_text()) | neighbours
    person.world.mesh.spans.share = 1.0
    await asyncio.sleep(3.0)
    person.config.write_text(yaml.safe_dump(settings))
    code, out, err = await person.runs("doctor", "--json")
    found = {one["name"]: one for one in json.loads(out)}
    assert code == 0, err
    for name in ("jaeger reachable", "jaeger fresh", "kiali reachable", "kiali services matched", "kiali health"):
        assert found[name]["ok"] is True, found[name]
    person.world.kiali.fault_injection.status = 500
    code, out, _ = await person.runs("doctor")
    assert code == 4 and "RED  kiali reachable" in out and "network policy" in out


async def test_doctor_says_what_to_do_when_prometheus_is_down(person: Person) -> None:
    person.world.stop_prometheus()
    code, out, _ = await person.runs("doctor")
    assert code == 4 and "RED" in out and "->" in out


async def test_why_knows_nothing_about_a_pod_without_decisions(person: Person) -> None:
    assert (await person.runs("migrate"))[0] == 0
    code, out, _ = await person.runs("why", "pod/shop/nobody")
    assert code == 3 and "no decision" in out


async def test_why_refuses_what_it_cannot_read(person: Person) -> None:
    code, _, err = await person.runs("why", "nobody")
    assert code == 2 and "KIND/NAME" in err


async def test_status_falls_back_to_the_journal(person: Person) -> None:
    code, out, err = await person.runs("status", "--json")
    assert code == 4 and not out and "does not answer" in err and "journal.db does not exist" in err
    assert (await person.runs("migrate"))[0] == 0
    code, out, _ = await person.runs("status", "--json")
    assert code == 0 and json.loads(out) == {"source": "journal", "incidents": []}


async def test_undo_touches_nothing_that_observer_did_not_drain(person: Person) -> None:
    name = person.world.pods_of("cart")[0]
    pod = copy.deepcopy(person.world.store.get("pods", "shop", name))
    assert pod is not None
    pod["metadata"]["labels"][names.DRAIN_LABEL] = "true"
    del pod["metadata"]["resourceVersion"]
    person.world.store.update("pods", pod)
    code, out, _ = await person.runs("undo", f"shop/{name}")
    after = person.world.store.get("pods", "shop", name)
    assert code == 3 and "nothing to restore" in out and "not_ours" in out
    assert after is not None and after["metadata"]["labels"][names.DRAIN_LABEL] == "true"


async def test_restore_asks_which(person: Person) -> None:
    code, _, err = await person.runs("restore")
    assert code == 2 and "--expired" in err
    code, out, _ = await person.runs("restore", "--expired")
    assert code == 0 and "nothing to restore" in out


async def test_check_prints_what_it_allows(person: Person) -> None:
    code, out, _ = await person.runs("check", "--json")
    tiers = {row["tier"]: row for row in json.loads(out)["tiers"]}
    assert (
        code == 0
        and tiers["annotate"]["evidence_score"] < tiers["drain"]["evidence_score"] < tiers["evict"]["evidence_score"]
    )
    assert tiers["evict"]["false_actions_per_month"] <= tiers["drain"]["false_actions_per_month"]


async def test_check_prints_what_holds_for_a_workload_and_from_where(person: Person) -> None:
    policy = person.config.parent / "shop.yaml"
    policy.write_text(
        "apiVersion: observer.dev/v1alpha1\nkind: HealthPolicy\nmetadata: {name: shop}\nspec:\n"
        "  selector: {namespaces: {names: [shop]}, workloads: {names: [catalog-v1]}}\n"
        "  mode: enforce\n  escalation: {drain_seconds: 7m}\n"
        "  hold: {reason: sale, until: 2026-12-01T00:00:00Z}\n"
        '  windows: [{days: [tue, mon], from: "09:00", to: "17:00", zone: Europe/Berlin}]\n'
    )
    asked = ("check", str(policy), "--effective", "shop/catalog-v1")
    code, out, err = await person.runs(*asked)
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in out.splitlines()[1:]}

    assert code == 0, err
    assert lines["escalation.drain_seconds"].split() == ["7m", f"{policy}:7", "shop"]
    assert lines["windows"].split() == ["[mon,tue", "09:00-17:00", "Europe/Berlin]", f"{policy}:9", "shop"]
    assert lines["hold"].startswith("sale (until 2026-12-01 00:00 UTC)")
    assert lines["guards.serving_share"].split() == ["0.5", "built", "in"]

    code, out, err = await person.runs(*asked, "--live", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (code, found["policies"], found["mode"]) == (0, ["shop"], "enforce"), err
    assert {"path": "mode", "value": "enforce", "file": str(policy), "line": 6, "policy": "shop"} in found["values"]

    code, _, err = await person.runs("check", "--effective", "shop/nobody", "--live")
    assert code == 2 and "the cluster has no such workload" in err
    code, _, err = await person.runs("check", "--effective", "nobody")
    assert code == 2 and "NAMESPACE/WORKLOAD" in err
    code, _, err = await person.runs("check", "--effective", "shop/catalog", "--label", "app")
    assert code == 2 and "KEY=VALUE" in err


async def test_two_policies_that_tie_are_told_with_both_places(person: Person) -> None:
    person.config.with_name("a.yaml").write_text(
        "".join(
            "apiVersion: observer.dev/v1alpha1\nkind: HealthPolicy\nmetadata: {name: NAME}\nspec:\n"
            "  selector: {workloads: {labels: {LABEL: x}}}\n  mode: enforce\n---\n".replace("NAME", name).replace(
                "LABEL", name
            )
            for name in ("app", "tier")
        )
    )
    asked = ("check", str(person.config.with_name("a.yaml")), "--effective", "shop/catalog")

    code, _, err = await person.runs(*asked, "--label", "app=x", "--label", "tier=x")

    assert code == 2 and "a.yaml:6" in err and "a.yaml:13" in err


@pytest.mark.parametrize(
    ("kind", "title"), [("healthpolicy", "Observer health policy"), ("cloudevents", "Observer's CloudEvents")]
)
async def test_schemas_are_printed(kind: str, title: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "observer", "schema", kind, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert json.loads(out)["title"] == title


async def test_a_broken_file_is_told_with_its_place(person: Person) -> None:
    person.config.write_text("mode: enforced\ntick: -3s\n")
    code, _, err = await person.runs("check")
    assert code == 2 and f"{person.config}:1:" in err and f"{person.config}:2:" in err


@pytest.mark.parametrize("words", [("--help",), ("check",)])
async def test_fast_commands_load_no_kubernetes_client(words: tuple[str, ...]) -> None:
    script = (
        "import sys\n"
        "from observer.cli.main import main\n"
        f"sys.argv = ['observer', *{list(words)!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED' if any(m.startswith({HEAVY!r}) for m in sys.modules) else 'CLEAN')\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().rstrip().endswith("CLEAN")
