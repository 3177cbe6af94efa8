"""``/graph``: who calls whom, with what failed on the way, and who stands in what state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from observer.domain.graph import Edge
from observer.domain.ids import ServiceRef
from observer.web.views.asked import GraphQuery
from observer.web.views.picture import ViewState
from observer.web.views.states import URGENCY, State

OUTSIDE = "unknown"


class Node(Struct, frozen=True):
    """
    One service. ``known`` false = only its name is known, from a call; ``workloads`` are those behind it.

    ``requests`` a second and ``error_rate`` 0..1 are its own last minute, null when not seen.
    """

    id: str
    namespace: str
    name: str
    state: State
    known: bool
    workloads: tuple[str, ...]
    requests: float | None
    error_rate: float | None
    incidents: tuple[str, ...]


class Call(Struct, frozen=True):
    """
    Calls from ``caller`` to ``callee`` (ids of nodes) over ``GraphView.seconds``, as the caller counted them, with the
    states of both.

    ``requests`` is a second, ``error_rate`` 0..1, ``unreached`` the share that never got an answer of the callee.
    """

    caller: str
    callee: str
    caller_state: State
    callee_state: State
    requests: float
    error_rate: float | None
    unreached: float | None
    p95_seconds: float | None


class GraphView(Struct, frozen=True):
    """
    Part of the call graph. ``at`` is when the calls were counted; null = no graph is known, and ``missing`` says why.

    ``calls_total`` is how many calls fit; ``calls`` holds those with the most errors, then the most requests.
    """

    at: float | None
    seconds: float
    missing: str
    calls_total: int
    nodes: tuple[Node, ...]
    calls: tuple[Call, ...]


def graph_view(picture: ViewState, query: GraphQuery) -> GraphView:
    """The part that a question means."""
    graph = picture.seen.snapshot.graph
    edges = _wanted(graph.edges if graph is not None else (), query)
    edges.sort(key=lambda one: (-one.errors, -one.requests, one.caller, one.callee))
    shown, seconds = edges[: query.limit], graph.seconds if graph is not None else 0.0
    names = {end for one in shown for end in (one.caller, one.callee)}
    if query.around:
        names.add(ServiceRef(*query.around.split("/")))
    nodes = _nodes(picture, names)
    states = {node.id: node.state for node in nodes}
    return GraphView(
        at=graph.at if graph is not None else None,
        seconds=seconds,
        missing="" if graph is not None else _missing(picture),
        calls_total=len(edges),
        nodes=tuple(sorted(nodes, key=lambda one: (URGENCY[one.state], one.id))),
        calls=tuple(_call(one, seconds, states) for one in shown),
    )


def _missing(picture: ViewState) -> str:
    for gap in picture.seen.snapshot.gaps:
        if gap.source == "kiali":
            return f"Kiali does not answer: {gap.reason}"
    if "kiali" in picture.seen.circuits:
        return "Kiali has not answered yet"
    return "no source of calls is configured: set kiali.url"


def _wanted(edges: Iterable[Edge], query: GraphQuery) -> list[Edge]:
    found = [one for one in edges if query.namespace in ("", one.caller.namespace, one.callee.namespace)]
    if not query.around:
        return found
    near = {ServiceRef(*query.around.split("/"))}
    for _ in range(query.depth):
        near |= {end for one in found if {one.caller, one.callee} & near for end in (one.caller, one.callee)}
    return [one for one in found if one.caller in near and one.callee in near]


def _nodes(picture: ViewState, names: Iterable[ServiceRef]) -> list[Node]:
    view = picture.seen.snapshot.cluster
    behind: dict[ServiceRef, set[str]] = defaultdict(set)
    for name in names:
        for ref in view.by_service.get(name, ()) if view is not None else ():
            workload = view.pods[ref].workload if view is not None and ref in view.pods else None
            if workload is not None:
                behind[name].add(workload.name)
    return [_node(picture, name, sorted(behind.get(name, ()))) for name in names]


def _node(picture: ViewState, name: ServiceRef, workloads: Sequence[str]) -> Node:
    rows = [row for one in workloads if (row := picture.by_name.get((name.namespace, one))) is not None]
    lately = picture.services.get(name) if picture.sighted else None
    worst = min((row.state for row in rows), key=lambda state: URGENCY[state], default=State.UNKNOWN)
    return Node(
        id=_id(name),
        namespace=name.namespace,
        name=name.name,
        state=worst,
        known=bool(rows),
        workloads=tuple(workloads),
        requests=lately.rate if lately is not None else None,
        error_rate=lately.error_rate if lately is not None and lately.requests else None,
        incidents=tuple(sorted({one for row in rows for one in row.incidents})),
    )


def _call(edge: Edge, seconds: float, states: Mapping[str, State]) -> Call:
    asked, caller, callee = edge.requests, _id(edge.caller), _id(edge.callee)
    lost = sum(count for flag, count in edge.errors_by_flag.items() if flag)
    return Call(
        caller=caller,
        callee=callee,
        caller_state=states[caller],
        callee_state=states[callee],
        requests=asked / seconds if seconds else 0.0,
        error_rate=edge.errors / asked if asked else None,
        unreached=lost / asked if asked else None,
        p95_seconds=edge.p95_seconds,
    )


def _id(name: ServiceRef) -> str:
    return str(name) if name.namespace else OUTSIDE
