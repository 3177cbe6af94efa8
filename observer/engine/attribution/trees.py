"""Traces as trees: which span called which, what of its time was its own, and who answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from observer.domain.ids import ServiceRef
from observer.domain.traces import Span, SpanSide, TraceSet


@dataclass(frozen=True, slots=True)
class Place:
    """A service with one of its pods; the pod's name is empty when unknown."""

    service: ServiceRef
    pod: str


@dataclass(slots=True)
class SpanNode:
    """
    One span in its tree.

    Attributes:
        own: seconds not covered by any child: for a call that somebody answered, the time spent on the way.
        answered: the span of whoever answered this call, None for work within the service.
        children: spans called from here.
    """

    span: Span
    place: Place
    own: float
    answered: SpanNode | None
    children: list[SpanNode]


def place(span: Span) -> Place:
    """Where a span happened."""
    return Place(ServiceRef(span.namespace, span.service), span.pod)


def trees(traces: TraceSet) -> list[list[SpanNode]]:
    """
    The traces, oldest first, each as its spans; spans of one trace are in order of their start.

    Of spans that share id and side one is kept. Of a circle of parents one link is cut: whoever comes first is a root.
    """
    by_trace: dict[str, list[Span]] = {}
    for span in traces.spans:
        if span.service:
            by_trace.setdefault(span.trace, []).append(span)
    forest = [_tree(sorted(spans, key=_order)) for spans in by_trace.values()]
    return sorted(forest, key=lambda nodes: (nodes[0].span.start, nodes[0].span.trace))


def downwards(nodes: list[SpanNode]) -> list[SpanNode]:
    """The spans of one trace, each before its children."""
    called = {id(child) for node in nodes for child in node.children}
    ordered = [node for node in nodes if id(node) not in called]
    for node in ordered:
        ordered.extend(node.children)
    return ordered


def _order(span: Span) -> tuple[float, str, str, str, str, str, str, float, bool]:
    """Whatever order the spans came in, the same one is kept of several with one id."""
    return (
        *(span.start, span.span, span.side.value, span.namespace, span.service, span.pod),
        *(span.operation, span.seconds, span.error),
    )


def _tree(spans: list[Span]) -> list[SpanNode]:
    sides: dict[str, dict[SpanSide, SpanNode]] = {}
    nodes: list[SpanNode] = []
    for span in spans:
        ends = sides.setdefault(span.span, {})
        if span.side not in ends:
            ends[span.side] = SpanNode(span, place(span), span.seconds, None, [])
            nodes.append(ends[span.side])
    for node, parent in _parents(nodes, sides):
        parent.children.append(node)
    for node in nodes:
        node.own = _own(node)
        node.answered = _answer(node)
    return nodes


def _parents(
    nodes: list[SpanNode], sides: Mapping[str, Mapping[SpanSide, SpanNode]]
) -> Iterator[tuple[SpanNode, SpanNode]]:
    """Who was called from whom, without circles."""
    above = {id(node): parent for node in nodes if (parent := _parent(node, sides)) is not None}
    safe: set[int] = set()
    for node in nodes:
        way: list[SpanNode] = []
        on_it: set[int] = set()
        at: SpanNode | None = node
        while at is not None and id(at) not in safe:
            if id(at) in on_it:
                del above[id(at)]
                break
            way.append(at)
            on_it.add(id(at))
            at = above.get(id(at))
        safe |= on_it
    return ((node, above[id(node)]) for node in nodes if id(node) in above)


def _parent(node: SpanNode, sides: Mapping[str, Mapping[SpanSide, SpanNode]]) -> SpanNode | None:
    """
    Some tracers give both ends of a call one id: then the callee's end was called by the caller's, and whatever names
    this id as its parent was called by the callee.
    """
    span = node.span
    if span.side is SpanSide.SERVER and (caller := sides[span.span].get(SpanSide.CLIENT)) is not None:
        return caller
    ends = sides.get(span.parent, {})
    parent = next((ends[side] for side in (SpanSide.SERVER, SpanSide.INTERNAL, SpanSide.CLIENT) if side in ends), None)
    return None if parent is node or span.parent == span.span else parent


def _answer(node: SpanNode) -> SpanNode | None:
    """The child that another pod, or the other side of the same call, reported."""
    for child in node.children:
        sides = node.span.side is SpanSide.CLIENT and child.span.side is SpanSide.SERVER
        if sides or (node.span.side is not SpanSide.SERVER and child.place != node.place):
            return child
    return None


def _own(node: SpanNode) -> float:
    """
    Length less the union of the children's times: parallel calls count once.

    Two pods have two clocks, so of another pod's span only the length is sure: it is moved to where it can have been.
    """
    whole = node.span.seconds
    times: list[tuple[float, float]] = []
    for child in node.children:
        first, length = child.span.start - node.span.start, child.span.seconds
        if child.place != node.place:
            length = min(length, whole)
            first = min(max(first, 0.0), whole - length)
        times.append((first, length))
    covered, reached = 0.0, 0.0
    for first, length in sorted(times):
        last = min(first + length, whole)
        if last > max(first, reached):
            covered += min(length, last - max(first, reached))
            reached = last
    return max(whole - covered, 0.0)


def root_seconds(nodes: list[SpanNode]) -> float:
    """Length of the trace's longest span that nobody in the trace called."""
    ids = {node.span.span for node in nodes}
    return max((node.span.seconds for node in nodes if node.span.parent not in ids), default=0.0)
