"""``/graph``: who calls whom, with what failed on the way, and who stands in what state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from observer.domain.graph import Edge
from observer.domain.ids import ServiceRef
from observer.web.models.incident import Call, GraphView, Node
from observer.web.models.parameters import GraphQuery
from observer.web.models.rows import URGENCY, State
from observer.web.views.view_state import ViewState

OUTSIDE: Final = "unknown"


def graph_view(state: ViewState, query: GraphQuery) -> GraphView:
    """The part that a question means."""
    graph = state.tick.snapshot.graph
    edges = _matching(graph.edges if graph is not None else (), query)
    edges.sort(key=lambda edge: (-edge.errors, -edge.requests, edge.caller, edge.callee))
    first, seconds = edges[: query.limit], graph.seconds if graph is not None else 0.0
    names = {end for edge in first for end in (edge.caller, edge.callee)}
    if query.around:
        names.add(ServiceRef(*query.around.split("/")))
    nodes = _nodes(state, names)
    states = {node.id: node.state for node in nodes}
    return GraphView(
        at=graph.at if graph is not None else None,
        seconds=seconds,
        missing="" if graph is not None else _missing(state),
        calls_total=len(edges),
        nodes=tuple(sorted(nodes, key=lambda node: (URGENCY[node.state], node.id))),
        calls=tuple(_call(edge, seconds, states) for edge in first),
    )


def _missing(state: ViewState) -> str:
    for gap in state.tick.snapshot.gaps:
        if gap.source == "kiali":
            return f"Kiali does not answer: {gap.reason}"
    if "kiali" in state.tick.circuits:
        return "Kiali has not answered yet"
    return "no source of calls is configured: set kiali.url"


def _matching(edges: Iterable[Edge], query: GraphQuery) -> list[Edge]:
    chosen = [edge for edge in edges if query.namespace in ("", edge.caller.namespace, edge.callee.namespace)]
    if not query.around:
        return chosen
    near = {ServiceRef(*query.around.split("/"))}
    for _ in range(query.depth):
        near |= {end for edge in chosen if {edge.caller, edge.callee} & near for end in (edge.caller, edge.callee)}
    return [edge for edge in chosen if edge.caller in near and edge.callee in near]


def _nodes(state: ViewState, names: Iterable[ServiceRef]) -> list[Node]:
    view = state.tick.snapshot.cluster
    workloads: dict[ServiceRef, set[str]] = defaultdict(set)
    for name in names:
        for ref in view.by_service.get(name, ()) if view is not None else ():
            workload = view.pods[ref].workload if view is not None and ref in view.pods else None
            if workload is not None:
                workloads[name].add(workload.name)
    return [_node(state, name, sorted(workloads.get(name, ()))) for name in names]


def _node(state: ViewState, name: ServiceRef, workloads: Sequence[str]) -> Node:
    rows = [row for workload in workloads if (row := state.by_name.get((name.namespace, workload))) is not None]
    recent = state.services.get(name) if state.complete else None
    worst = min((row.state for row in rows), key=lambda row_state: URGENCY[row_state], default=State.UNKNOWN)
    return Node(
        id=_id(name),
        namespace=name.namespace,
        name=name.name,
        state=worst,
        known=bool(rows),
        workloads=tuple(workloads),
        requests=recent.rate if recent is not None else None,
        error_rate=recent.error_rate if recent is not None and recent.requests else None,
        incidents=tuple(sorted({incident for row in rows for incident in row.incidents})),
    )


def _call(edge: Edge, seconds: float, states: Mapping[str, State]) -> Call:
    requests, caller, callee = edge.requests, _id(edge.caller), _id(edge.callee)
    unreached = sum(count for flag, count in edge.errors_by_flag.items() if flag)
    return Call(
        caller=caller,
        callee=callee,
        caller_state=states[caller],
        callee_state=states[callee],
        requests=requests / seconds if seconds else 0.0,
        error_rate=edge.errors / requests if requests else None,
        unreached=unreached / requests if requests else None,
        p95_seconds=edge.p95_seconds,
    )


def _id(name: ServiceRef) -> str:
    return str(name) if name.namespace else OUTSIDE
