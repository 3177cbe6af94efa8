"""``observer record`` against the simulated mesh with all its neighbours, then ``observer replay`` of what it wrote."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from observer.simulator.clock import SimClock
from observer.simulator.kubernetes.kubeconfig import write_kubeconfig
from observer.simulator.mesh.faults import pod_errors
from observer.simulator.scenarios.world import World

ENOUGH = 5
"""Ticks after which there is something to replay."""


@asynccontextmanager
async def mesh(folder: Path) -> AsyncIterator[Path]:
    """A mesh with one gray pod, and the settings of an Observer that is told to act and to record elsewhere."""
    async with World(seed=3, clock=SimClock(speed=1.0), history=120.0) as world:
        prometheus, kubernetes = await world.serve()
        jaeger, kiali = await world.serve_neighbours()
        world.mesh.faults.set(pod_errors(world.pods_of("catalog")[0], 0.5, since=world.clock.now()))
        config = folder / "observer.yaml"
        settings = {
            "mode": "enforce",
            "tick": "1s",
            "prometheus": {"url": prometheus},
            "jaeger": {"url": jaeger},
            "kiali": {"url": kiali},
            "kubernetes": {"kubeconfig": str(write_kubeconfig(folder / "kubeconfig", kubernetes))},
            "journal": f"sqlite+aiosqlite:///{folder / 'journal.db'}",
            "audit": str(folder / "audit.jsonl"),
            "recording": {"path": str(folder / "not-here")},
            "listen": "127.0.0.1:1",
        }
        config.write_text(yaml.safe_dump(settings))
        yield config


async def started(*words: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "observer", *words, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )


async def replayed(path: Path) -> tuple[int, dict[str, Any]]:
    process = await started("replay", str(path), "--json")
    out, _ = await process.communicate()
    return process.returncode or 0, json.loads(out or b"{}")


async def ticks(path: Path) -> int:
    """How many ticks the file holds so far."""
    code, body = await replayed(path)
    return int(body["ticks"]) if code == 0 else 0


@pytest.mark.timeout(180)
async def test_what_is_recorded_is_decided_again_byte_for_byte(tmp_path: Path) -> None:
    async with mesh(tmp_path) as config:
        process = await started("record", "--out", str(tmp_path / "tape"), "--seconds", "10", "--config", str(config))
        out, _ = await process.communicate()
        assert process.returncode == 0
        (path,) = [Path(line) for line in out.decode().splitlines()]
        code, body = await replayed(path)

    assert (code, body["same"], body["cut"]) == (0, True, False)
    assert body["ticks"] >= 1
    assert path.parent == tmp_path / "tape"
    # It looked with the eyes of the real one and touched nothing of it.
    assert sorted(one.name for one in tmp_path.iterdir()) == ["kubeconfig", "observer.yaml", "tape"]


@pytest.mark.timeout(180)
async def test_what_a_killed_recorder_leaves_is_decided_again_as_far_as_it_goes(tmp_path: Path) -> None:
    async with mesh(tmp_path) as config:
        process = await started("record", "--out", str(tmp_path), "--seconds", "100", "--config", str(config))
        while not (files := sorted(tmp_path.glob("*.rec"))) or await ticks(files[0]) < ENOUGH:
            assert process.returncode is None, "it ended before it was killed"
            await asyncio.sleep(1.0)
        process.kill()
        await process.wait()
        code, body = await replayed(files[0])

    assert (code, body["same"], body["cut"]) == (0, True, True)
    assert body["ticks"] >= ENOUGH
