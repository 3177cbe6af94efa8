"""
The v3 API: OTLP JSON inside ``result``. Ids are hex, enums numbers (or their names), times nanoseconds as texts.

Today a search is answered with one object; newer servers may send several, one a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus

import msgspec

from observer.domain.errors import SourceProtocolError, SourceUnavailable
from observer.http_client.client import decoded
from observer.sources.jaeger.semantics import RawSpan, as_text, attributes_of, count, parent_of

_KINDS: Mapping[str, str] = {
    "2": "server",
    "3": "client",
    "4": "client",
    "5": "server",
    "SPAN_KIND_SERVER": "server",
    "SPAN_KIND_CLIENT": "client",
    "SPAN_KIND_PRODUCER": "client",
    "SPAN_KIND_CONSUMER": "server",
}
_FAILED = frozenset({"2", "STATUS_CODE_ERROR"})
_NANO = 1_000_000_000


class _Value(msgspec.Struct, rename="camel", gc=False):
    string_value: str | None = None
    int_value: str | int | None = None
    double_value: float | str | None = None
    bool_value: bool | None = None

    def text(self) -> str:
        values = (self.string_value, self.int_value, self.double_value, self.bool_value)
        return as_text(next((value for value in values if value is not None), None))


class _Attribute(msgspec.Struct, gc=False):
    key: str = ""
    value: _Value | None = None


class _Resource(msgspec.Struct):
    attributes: list[_Attribute] | None = None


class _Status(msgspec.Struct, gc=False):
    code: int | str = 0


class _Span(msgspec.Struct, rename="camel"):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = None
    name: str = ""
    kind: int | str = 0
    start_time_unix_nano: str | int | None = None
    end_time_unix_nano: str | int | None = None
    attributes: list[_Attribute] | None = None
    status: _Status | None = None


class _ScopeSpans(msgspec.Struct):
    spans: list[_Span] | None = None


class _ResourceSpans(msgspec.Struct, rename="camel"):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Traces(msgspec.Struct, rename="camel"):
    resource_spans: list[_ResourceSpans] | None = None


class _Error(msgspec.Struct, rename="camel"):
    http_code: int = 0
    message: str = ""


class _Found(msgspec.Struct):
    result: _Traces | None = None
    error: _Error | None = None


class _Services(msgspec.Struct):
    services: list[str] | None = None


_FOUND = msgspec.json.Decoder(_Found)
_SERVICES = msgspec.json.Decoder(_Services)


def parse_services(body: bytes) -> frozenset[str]:
    """The names of all services with spans. Raises ``SourceProtocolError``."""
    return frozenset(decoded(_SERVICES.decode, body, "list of services").services or ())


def parse_traces(body: bytes) -> Iterator[RawSpan]:
    """
    The spans of a search.

    Raises ``SourceUnavailable`` (``partial``) when the server says that it failed on the way, ``SourceProtocolError``
    when this is no such answer.
    """
    for chunk in _chunks(body):
        if chunk.error is not None:
            detail = f"the search failed on the way: HTTP {chunk.error.http_code} {chunk.error.message[:300]}"
            raise SourceUnavailable(detail, reason="partial")
        if chunk.result is None:
            raise SourceProtocolError("an answer with neither result nor error")
        for resource in chunk.result.resource_spans or ():
            own = _texts(resource.resource.attributes if resource.resource is not None else None)
            for scope in resource.scope_spans or ():
                yield from (_record(span, own) for span in scope.spans or ())


def says_nothing_found(body: bytes) -> bool:
    """The body of a 404 is the API's own, and not that of a server or proxy that has no such route."""
    try:
        error = decoded(_FOUND.decode, body, "error").error
    except SourceProtocolError:
        return False
    return error is not None and error.http_code == HTTPStatus.NOT_FOUND


def _chunks(body: bytes) -> list[_Found]:
    try:
        return [decoded(_FOUND.decode, body, "traces")]
    except SourceProtocolError as single:
        try:
            chunks = decoded(_FOUND.decode_lines, body, "traces")
        except SourceProtocolError:
            chunks = []
        if not chunks:
            raise single from None
        return chunks


def _texts(attributes: list[_Attribute] | None) -> dict[str, str]:
    return {attribute.key: attribute.value.text() for attribute in attributes or () if attribute.value is not None}


def _record(span: _Span, own: Mapping[str, str]) -> RawSpan:
    if not span.trace_id or not span.span_id:
        raise SourceProtocolError("a span without an id")
    start, end = count(span.start_time_unix_nano), count(span.end_time_unix_nano)
    return RawSpan(
        trace=span.trace_id,
        span=span.span_id,
        parent=parent_of(span.parent_span_id or ""),
        kind=_KINDS.get(str(span.kind), ""),
        operation=span.name,
        service=own.get("service.name", ""),
        start=start / _NANO,
        # Taken before dividing: a float of this size is good to a quarter of a microsecond only.
        seconds=(end - start) / _NANO,
        failed=span.status is not None and str(span.status.code) in _FAILED,
        attributes=attributes_of(own, _texts(span.attributes)),
    )
