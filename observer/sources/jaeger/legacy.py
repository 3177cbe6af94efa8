"""The v1 API: traces with processes, tags with types, times in microseconds. Servers after 2.20 have it no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.http_client.client import decoded
from observer.sources.jaeger.semantics import RawSpan, as_text, attributes_of, count, parent_of

_MICRO = 1_000_000


class _Tag(msgspec.Struct, gc=False):
    key: str = ""
    value: object = None


class _Reference(msgspec.Struct, gc=False):
    kind: str = msgspec.field(name="refType", default="CHILD_OF")
    trace: str = msgspec.field(name="traceID", default="")
    span: str = msgspec.field(name="spanID", default="")


class _Process(msgspec.Struct):
    name: str = msgspec.field(name="serviceName", default="")
    tags: list[_Tag] | None = None


class _Span(msgspec.Struct):
    trace: str = msgspec.field(name="traceID", default="")
    span: str = msgspec.field(name="spanID", default="")
    old_parent: str = msgspec.field(name="parentSpanID", default="")
    operation: str = msgspec.field(name="operationName", default="")
    references: list[_Reference] | None = None
    start: str | int | None = msgspec.field(name="startTime", default=None)
    duration: str | int | None = None
    tags: list[_Tag] | None = None
    process: str = msgspec.field(name="processID", default="")


class _Trace(msgspec.Struct):
    spans: list[_Span] | None = None
    processes: dict[str, _Process] | None = None


class _Error(msgspec.Struct, gc=False):
    code: int = 0
    msg: str = ""


class _Found(msgspec.Struct):
    data: list[_Trace] | None
    errors: list[_Error] | None = None


class _Services(msgspec.Struct):
    data: list[str] | None
    errors: list[_Error] | None = None


_FOUND = msgspec.json.Decoder(_Found)
_SERVICES = msgspec.json.Decoder(_Services)


def parse_services(body: bytes) -> frozenset[str]:
    """The names of all services with spans. Raises ``SourceProtocolError``, ``SourceUnavailable`` (``partial``)."""
    answer = decoded(_SERVICES.decode, body, "list of services")
    _check(answer.errors)
    return frozenset(answer.data or ())


def parse_traces(body: bytes) -> Iterator[RawSpan]:
    """
    The spans of a search. Raises ``SourceUnavailable`` (``partial``) when errors came with the data,
    ``SourceProtocolError`` when this is no such answer.
    """
    answer = decoded(_FOUND.decode, body, "traces")
    _check(answer.errors)
    for trace in answer.data or ():
        processes = {
            name: (process.name, {"service.name": process.name, **_texts(process.tags)})
            for name, process in (trace.processes or {}).items()
        }
        for span in trace.spans or ():
            yield _record(span, *processes.get(span.process, ("", {})))


def _check(errors: list[_Error] | None) -> None:
    if errors:
        detail = "; ".join(f"{error.code} {error.msg}" for error in errors)[:300]
        raise SourceUnavailable(f"partial answer: {detail}", reason="partial")


def _texts(tags: list[_Tag] | None) -> dict[str, str]:
    # An attribute of the application may bear the name of the tag that marks a failure: the mark comes last.
    return {tag.key: as_text(tag.value) for tag in tags or ()}


def _parent(span: _Span) -> str:
    """A span may follow from others, of other traces too; it has one parent."""
    own = [reference for reference in span.references or () if reference.trace in ("", span.trace)]
    child = next((reference.span for reference in own if reference.kind == "CHILD_OF"), "")
    return parent_of(child or next((reference.span for reference in own), "") or span.old_parent)


def _record(span: _Span, service: str, own: Mapping[str, str]) -> RawSpan:
    if not span.trace or not span.span:
        raise SourceProtocolError("a span without an id")
    attributes = attributes_of(own, _texts(span.tags))
    return RawSpan(
        trace=span.trace,
        span=span.span,
        parent=parent_of(_parent(span)),
        kind={"client": "client", "producer": "client", "server": "server", "consumer": "server"}.get(
            attributes.get("span.kind", "").lower(), ""
        ),
        operation=span.operation,
        service=service,
        start=count(span.start) / _MICRO,
        seconds=count(span.duration) / _MICRO,
        failed=attributes.get("error", "").lower() == "true" or attributes.get("otel.status_code") == "ERROR",
        attributes=attributes,
    )
