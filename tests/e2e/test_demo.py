"""The demo as a stranger runs it: the real daemon, both real HTTP APIs, one gray pod from fault to verified."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest


@pytest.mark.timeout(300)
async def test_the_demo_tells_its_story_to_the_end() -> None:
    """In order: suspected, drained, effective, proven, evicted, replaced, verified; one pod, one eviction."""
    command, pipe = [sys.executable, "-m", "observer", "demo", "--json"], asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    told: list[dict[str, Any]] = [json.loads(line) for line in out.decode().splitlines()]
    kinds = [one["kind"] for one in told]
    assert process.returncode == 0, f"{kinds}\n{err.decode()}"
    assert err == b"", err.decode()
    story = ["suspected", "drain", "drain_effective", "drain_verdict", "evict", "replaced", "verified", "closed"]
    first = [kinds.index(kind) for kind in story]
    assert first == sorted(first)
    acts = [one for one in told if one["verdict"] == "act"]
    assert len({one["subject"] for one in acts}) == 1
    assert [one["outcome"]["result"] for one in acts if one["kind"] == "evict"] == ["applied"]
    verified = next(one for one in told if one["kind"] == "verified")
    assert verified["reason"] == "fixed"
    assert all(one["text"] and one["id"] and one["config"] for one in told)
