"""The whole daemon on the simulated mesh: a person's word goes all the way, and the API is what it says it is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from observer.recording.events import Ticked
from observer.recording.files import Recording
from observer.recording.replay import replay
from observer.web.people import sessions
from observer.web.routes import ALERTS, STREAM
from observer.web.routes import OPENAPI as DESCRIPTION
from tests.support.daemon import HOOK, Daemon, daemon

pytestmark = pytest.mark.integration

EXAMPLES = 12
NO_ID = "0" * 24


async def test_a_word_goes_all_the_way_and_the_api_keeps_its_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Strangers are among the questions, and the answer shall not be that too many were asked.
    monkeypatch.setattr(sessions, "FROM_ONE", 1_000_000)
    monkeypatch.setattr(sessions, "FROM_ALL", 1_000_000)
    async with daemon(tmp_path) as it:
        plan = await waits(it)
        await asyncio.to_thread(fuzz, it)
        await approved(it, plan)
        await given_back(it, plan)
    recorded(tmp_path, plan["plan"])
    audited(tmp_path)


async def waits(it: Daemon) -> dict[str, Any]:
    """The pod is found and nothing is done about it without a person."""
    pod = it.hurt()
    (plan,) = (await it.until("/api/v1/approvals", lambda found: found["plans"]))["plans"]
    assert (plan["target"]["namespace"], plan["target"]["name"], plan["action"]) == ("shop", pod, "drain")
    return dict(plan)


async def approved(it: Daemon, plan: dict[str, Any]) -> None:
    path = f"/api/v1/incidents/{plan['incident']}"
    assert (await it.ask("POST", f"{path}/approve", {"plan": NO_ID}))[0] == 409
    await running(it)
    status, word = await it.ask("POST", f"{path}/approve", {"plan": plan["plan"]})
    assert (status, word["who"]) == (201, "local")
    undo = (await it.until(f"{path}/plans", lambda found: found["undo"]))["undo"]
    assert undo["target"] == plan["target"]
    assert (await it.until("/api/v1/approvals", lambda found: not found["plans"]))["plans"] == []


async def running(it: Daemon) -> None:
    """Whatever the fuzzing did to the kill switch, a person may resume it."""
    _, switch = await it.ask("GET", "/api/v1/switch")
    if switch["paused"]:
        assert (await it.ask("POST", "/api/v1/resume", {"plan": switch["resume_plan"]}))[0] == 200


async def given_back(it: Daemon, plan: dict[str, Any]) -> None:
    path = f"/api/v1/incidents/{plan['incident']}"
    undo = (await it.ask("GET", f"{path}/plans"))[1]["undo"]
    status, body = await it.ask("POST", f"{path}/undo", {"plan": undo["plan"]})
    assert (status, body["result"]) == (200, "applied")
    await it.until(f"{path}/plans", lambda found: found["undo"] is None)
    incident = await it.until(path, lambda found: found["incident"]["closed"])
    assert incident["incident"]["outcome"] == "restored_by_person"


def recorded(folder: Path, plan: str) -> None:
    """The word is in the recording, and replayed it leads to the same decisions."""
    steps, words = [], set[str]()
    for path in sorted((folder / "flight").iterdir()):
        with Recording(path) as recording:
            events = list(recording.events())
        words |= {key for one in events if isinstance(one, Ticked) for key in one.snapshot.approvals}
        steps += list(replay(events))
    assert words == {plan}
    assert steps and all(step.same for step in steps)


def audited(folder: Path) -> None:
    # Not splitlines: the fuzzed alerts hold line separators of every kind.
    lines = [json.loads(line) for line in (folder / "audit.jsonl").read_text().split("\n") if line]
    text = json.dumps(lines)
    for word in ("approved", "undone"):
        assert f'"{word}"' in text
    assert '"who": "local"' in text


def fuzz(it: Daemon) -> None:
    """Every operation of the description, with good and bad data: no answer that it does not promise."""
    schema = schemathesis.openapi.from_url(f"{it.url}{DESCRIPTION}", headers=bearer(it.token))
    OpenAPIV31SpecValidator(schema.raw_schema).validate()
    operations = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    asked = [one for one in operations if one.path != STREAM]  # it takes nothing and never ends
    broken = [text for one in asked if (text := fuzzed(one, HOOK if one.path == ALERTS else it.token))]
    assert not broken, "\n\n".join(broken)
    told = {f"{method.upper()} {path}" for path, one in schema.raw_schema["paths"].items() for method in one}
    assert told - {one.label for one in operations} == {f"GET {DESCRIPTION}"}  # it was read to begin with


def fuzzed(operation: Any, token: str) -> str:
    """What is wrong with one operation; empty when nothing is."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def promised(case: Any) -> None:
        case.call_and_validate(headers=bearer(token), timeout=30)

    try:
        promised()
    except FailureGroup as found:
        return f"{operation.label}: " + "; ".join(str(one) for one in found.exceptions)
    return ""


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
