"""The keys of a PolicyTest document and what each may hold."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from observer.config.documents.declarations import Part, described
from observer.config.documents.values import TEXT, Duration, Words
from observer.config.policies.keys import API_VERSION, TEST_KIND
from observer.config.policies.windows import INSTANT
from observer.domain.action import ActionKind, Mode, approvable
from observer.domain.decision import Verdict
from observer.domain.kinds import Kind
from observer.domain.reasons import Reason
from observer.domain.severities import Severity
from observer.domain.slo import DataState
from observer.policytest.scenario import LONGEST, FactKeys

NONE: Final = "none"
REASONS: Final = tuple(reason.value for reason in Reason if reason)
Text = Annotated[str, TEXT]
Offset = Annotated[float, Duration(0.0, LONGEST)]
Step = Annotated[float, Duration(1.0, 3600.0)]


class ApprovalKeys(Part):
    """A person approves an action that waits for it."""

    pod: Text = Field(description="Pod that the action is on.")
    action: Annotated[ActionKind, Words(approvable)] = Field(description="The action.")


class ChangeKeys(FactKeys):
    """Facts that hold from an instant on."""

    at: Offset = Field(description="When, since the beginning of the test.")
    approve: list[ApprovalKeys] = Field([], description="Actions that a person approves at this instant.")


class ExpectationKeys(Part):
    """What must have been decided, or must stand."""

    at: Offset | None = Field(None, description="What stands at this instant.")
    after: Offset = Field(0.0, description="What was decided since this instant, up to before.")
    before: Offset | None = Field(None, description="What was decided up to this instant.")
    count: Annotated[int, Field(ge=0, le=100_000)] | None = Field(
        None, description="How many decisions match; without it, at least one."
    )
    verdict: Annotated[str, Words((*Verdict, NONE))] = Field(
        "", description="Verdict of the decision; none = nothing stands."
    )
    kind: Annotated[str, Words(tuple(Kind))] = Field("", description="Kind of the decision.")
    action: Annotated[ActionKind, Words(tuple(ActionKind))] | None = Field(None, description="Action of the decision.")
    reason: Annotated[str, Words(REASONS)] = Field(
        "", description="Reason of the decision, or of a guard that blocks it."
    )
    severity: Annotated[str, Words(tuple(Severity))] = Field("", description="Severity of the decision.")
    pod: Text = Field("", description="Pod that the decision is about.")
    objective: Text = Field("", description="Identity of an objective: with at, how it stood at its last look.")
    state: Annotated[DataState, Words(tuple(DataState))] | None = Field(
        None, description="Data state of the objective."
    )
    alert: Annotated[str, Words(("page", "ticket", NONE))] | None = Field(
        None, description="Highest alert of the objective."
    )
    firing: list[Text] | None = Field(None, description="All its tiers that fire.")


class SeriesKeys(Part):
    """One series, or the answers of an expression, scrape by scrape."""

    series: Text = Field("", description="Metric with labels, as promtool writes it.")
    query: Text = Field("", description="Instead of series: an expression that is no selector of counters.")
    values: Text = Field(description="Its samples, as promtool writes them: 0+5x10 _ _x3 stale 7.")


class TestKeys(FactKeys):
    """One test."""

    __test__ = False  # no test of pytest's

    name: Text = Field(description="Name of the test; no other of the file has it.")
    mode: Annotated[Mode, Words(tuple(Mode))] | None = Field(None, description="Mode instead of that of the settings.")
    start: Annotated[str, INSTANT] = Field("", description="Instant (RFC 3339) at which the test begins.")
    interval: Step = Field(
        15.0, description="Time between two samples, which are scrapes.", json_schema_extra={"default": "15s"}
    )
    look: Step = Field(
        30.0, description="Time between two looks at the objectives.", json_schema_extra={"default": "30s"}
    )
    objectives: list[Text] = Field(
        [], description="Templates that hold for every service although no policy names them."
    )
    series: list[SeriesKeys] = Field([], description="What the metric server answers.")
    changes: list[ChangeKeys] = Field([], description="What changes in the cluster, and when.")
    expect: list[ExpectationKeys] = Field(description="What must come of it.")


class DocumentKeys(Part):
    """Tests of policies and objectives."""

    apiVersion: Annotated[str, Words((API_VERSION,))] = Field(description="Version of this format.")  # noqa: N815
    kind: Annotated[str, Words((TEST_KIND,))] = Field(description="What the document is.")
    rules: list[Text] = Field(
        [], description="Files and directories of policies and objectives, from the folder of this file; and shipped."
    )
    settings: Text = Field(
        "", description="Settings file, from the folder of this file; without it, the built-in ones."
    )
    tests: list[TestKeys] = Field(description="The tests.")


def schema() -> dict[str, object]:
    """JSON Schema (draft 2020-12) of one document, for editors."""
    about = "kind: PolicyTest. Series and facts of a cluster, and what Observer must decide about them."
    return described(DocumentKeys, "policytest", "Observer policy test", about)
