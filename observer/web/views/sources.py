"""``/sources`` and the status of the loop: where facts come from, how fresh they are, and what cannot be seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from observer.config.policies.effective import doubts, modes
from observer.domain.circuit import Circuit, CircuitState
from observer.domain.cluster import ResourceKind
from observer.domain.slo import DataState
from observer.domain.snapshot import Gap, Snapshot
from observer.engine.context import REQUIRED_SOURCES
from observer.runtime.status import LoopStatus
from observer.web.models import answers
from observer.web.models.answers import SourceState, SourceView
from observer.web.models.rows import GapView
from observer.web.views.rows import incident_row
from observer.web.views.view_state import ViewState

LATE: Final = 3.0
"""Refreshes after which an answer is late."""
Gaps = Mapping[str, str]
"""What failed, in words, by source."""


def sources_view(
    state: ViewState, *, stream: answers.StreamListeners, plots: bool, journal: str
) -> answers.SourcesView:
    """What is seen, and what is not."""
    tick, snapshot = state.tick, state.tick.snapshot
    statuses = [status for each in snapshot.objectives.values() for status in each]
    counts = {data.value: sum(status.state is data for status in statuses) for data in DataState}
    return answers.SourcesView(
        at=state.at,
        complete=state.complete,
        last_complete=tick.memory.last_complete or None,
        ticks=tick.number,
        complete_ticks=tick.complete,
        took=tick.took,
        sources=tuple(_sources(state)),
        gaps=_gaps(snapshot.gaps),
        objectives={data: count for data, count in counts.items() if count},
        stream=stream,
        plots=plots,
        journal=journal,
    )


def _gaps(gaps: tuple[Gap, ...]) -> tuple[GapView, ...]:
    return tuple(GapView(gap.source, gap.reason, gap.detail) for gap in gaps)


def _sources(state: ViewState) -> Iterator[SourceView]:
    snapshot = state.tick.snapshot
    gaps = {gap.source: f"{gap.reason}: {gap.detail}" if gap.detail else gap.reason for gap in snapshot.gaps}
    yield _prometheus(snapshot, gaps)
    yield from _kinds(state, gaps)
    yield _read("control", gaps, snapshot.at, "the kill switch was read")
    yield _read("history", gaps, snapshot.at if snapshot.baselines else None, f"{len(snapshot.baselines)} baselines")
    evaluated = [status.at for each in snapshot.objectives.values() for status in each]
    yield _read("objectives", gaps, max(evaluated, default=None), f"{len(evaluated)} objectives")
    if snapshot.rechecks or "recheck" in gaps:
        yield _read("recheck", gaps, snapshot.at, f"{len(snapshot.rechecks)} services asked again")
    yield from _circuits(state, gaps)


def _read(name: str, gaps: Gaps, at: float | None, detail: str) -> SourceView:
    source = SourceState.GAP if name in gaps else SourceState.OK if at is not None else SourceState.OFF
    text = gaps.get(name, detail if at is not None else "nothing yet")
    return SourceView(name, source, at, name in REQUIRED_SOURCES, text)


def _prometheus(snapshot: Snapshot, gaps: Gaps) -> SourceView:
    frame = snapshot.counters
    if frame is None:
        text = gaps.get("prometheus", "no answer")
        return SourceView("prometheus", SourceState.GAP, None, required=True, detail=text)
    scraped = frame.scraped[np.isfinite(frame.scraped)]
    newest = float(scraped.max()) if len(scraped) else None
    detail = gaps.get("prometheus", f"{len(frame.pods)} pods, {len(scraped)} with a scrape time")
    source = SourceState.GAP if "prometheus" in gaps else SourceState.OK if newest is not None else SourceState.OFF
    return SourceView("prometheus", source, newest, required=True, detail=detail)


def _kinds(state: ViewState, gaps: Gaps) -> Iterator[SourceView]:
    view, stale = state.tick.snapshot.cluster, state.tick.settings.guards.kubernetes_stale
    if "kubernetes" in gaps or view is None:
        detail = gaps.get("kubernetes", "no view of the cluster yet")
        yield SourceView("kubernetes", SourceState.GAP, None, required=True, detail=detail)
    for kind in ResourceKind:
        at = view.fresh.get(kind) if view is not None else None
        late = at is not None and state.at - at > stale
        source = SourceState.OFF if at is None else SourceState.LATE if late else SourceState.OK
        detail = "never listed" if at is None else f"older than {stale:g} s" if late else ""
        yield SourceView(f"kubernetes/{kind.value}", source, at, required=False, detail=detail)


def _circuits(state: ViewState, gaps: Gaps) -> Iterator[SourceView]:
    for name in ("jaeger", "kiali"):
        circuit = state.tick.circuits.get(name)
        if circuit is None:
            yield SourceView(name, SourceState.OFF, None, required=False, detail=f"not configured: {name}.url")
            continue
        failed = circuit.state is not CircuitState.CLOSED or name in gaps
        source = SourceState.GAP if failed else SourceState.OK if circuit.last_success else SourceState.OFF
        why = f"{circuit.reason}: {circuit.detail}" if circuit.reason else ""
        detail = "asked while somebody is suspected" if name == "jaeger" else ""
        if failed or why:
            detail = gaps.get(name, why)
        yield SourceView(name, source, circuit.last_success or None, required=False, detail=detail)


def status_of(loop: LoopStatus) -> answers.Status:
    """What the loop is doing; before its first tick there is little to say."""
    tick, settings, reload = loop.result, loop.settings, loop.reload
    control = tick.snapshot.control if tick is not None else None
    policies = tick.policies if tick is not None else None
    incidents = tick.memory.open_incidents() if tick is not None else ()
    return answers.Status(
        mode=settings.mode,
        config=settings.identity,
        ticks=tick.number if tick is not None else 0,
        complete_ticks=tick.complete if tick is not None else 0,
        complete=tick is not None and tick.memory.complete,
        last_tick=tick.at if tick is not None else 0.0,
        paused=control.paused if control is not None else True,
        paused_reason=control.reason if control is not None else "starting",
        leader=control is not None and control.leader,
        term=control.term if control is not None else 0,
        halted=tick.halted if tick is not None else "",
        policies=answers.PoliciesStatus(
            identity=policies.identity if policies is not None else "",
            workloads=modes(policies) if policies is not None else {},
            conflicting=doubts(policies) if policies is not None else {},
        ),
        reload=answers.ReloadStatus(reload.ok, reload.at, reload.detail, tuple(reload.needs_restart)),
        gaps=_gaps(tick.snapshot.gaps) if tick is not None else (),
        circuits=tuple(circuit_status(name, circuit) for name, circuit in loop.circuits().items()),
        overdrawn=_overdrawn(tick.snapshot) if tick is not None else (),
        incidents=tuple(incident_row(incident) for incident in incidents),
    )


def circuit_status(source: str, circuit: Circuit) -> answers.CircuitStatus:
    """One source's circuit."""
    return answers.CircuitStatus(
        source=source,
        state=circuit.state.value,
        since=circuit.since,
        reason=circuit.reason,
        detail=circuit.detail,
        failures=circuit.failures,
        last_success=circuit.last_success,
        retry_at=circuit.retry_at,
    )


def _overdrawn(snapshot: Snapshot) -> tuple[answers.OverdrawnObjective, ...]:
    """The objectives whose budget is overdrawn, the worst first."""
    statuses = [(str(service), it) for service, each in snapshot.objectives.items() for it in each if it.overdrawn]
    statuses.sort(key=lambda pair: (pair[1].budget.remaining, pair[0]))
    return tuple(
        answers.OverdrawnObjective(
            service, status.objective.display or status.objective.slo, round(status.budget.remaining, 4)
        )
        for service, status in statuses
    )
