"""
SLIs of a mesh that need no writing, as data: what rule files say, lint checks and the daemon counts is one thing.

Availability is counted by the callers (``reporter="source"``): calls that reached no pod count; latency by the
pods (``destination``), so that the network between is not theirs; in ambient mode both by the waypoint. Failures are
those of ``domain.classify``: what a client, a policy or an experiment did (disconnects, injected faults, limits) is in
neither count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from observer.domain.classify import ERROR_FLAGS, EXCLUDED_FLAGS, GRPC_ERRORS
from observer.domain.ids import ServiceRef
from observer.domain.slo import Preset, Query, RatioSli

_CODE: Final = "[1-5].."
_SPECIAL: Final = frozenset(r"\.+*?()|[]{}^$")


@dataclass(frozen=True, slots=True)
class MeshNames:
    """
    How the mesh spells its metrics and labels, and which reporters it has.

    ``extra`` is a matcher list without braces that every selector gets (``cluster="east"``).
    """

    requests: str = "istio_requests_total"
    buckets: str = "istio_request_duration_milliseconds_bucket"
    unit: float = 1.0
    callers: str = "source"
    own: str = "destination"
    reporter: str = "reporter"
    service: str = "destination_service_name"
    namespace: str = "destination_service_namespace"
    source: str = "source_workload"
    source_namespace: str = "source_workload_namespace"
    code: str = "response_code"
    flags: str = "response_flags"
    grpc: str = "grpc_response_status"
    protocol: str = "request_protocol"
    extra: str = ""


ISTIO: Final = MeshNames()
AMBIENT: Final = MeshNames(callers="waypoint", own="waypoint")


def preset_sli(preset: Preset, scope: ServiceRef, *, cut_ms: float = 0.0, names: MeshNames = ISTIO) -> RatioSli:
    """
    The SLI of a preset for one service; each query is one selector of counters, or several joined by ``or``.

    ``cut_ms`` is the bound of the latency preset, milliseconds, and must be a bound of the histogram. Raises
    ``ValueError`` for the latency preset without one.
    """
    if preset is Preset.ISTIO_LATENCY:
        if cut_ms <= 0:
            raise ValueError("the latency preset needs a bound: observer.dev/cut-ms")
        own = (_equal(names.reporter, names.own), *_service(names, scope))
        within = f"le=~{_quoted(le_pattern(cut_ms * names.unit))}"
        return RatioSli(
            good=Query(_selector(names.buckets, (*own, within), names)),
            total=Query(_selector(names.buckets, (*own, 'le="+Inf"'), names)),
        )
    base = [_equal(names.reporter, names.callers)]
    if preset is Preset.ISTIO_GATEWAY_AVAILABILITY:
        base += [_equal(names.source_namespace, scope.namespace), _equal(names.source, scope.name)]
    else:
        base += _service(names, scope)
    if preset is Preset.ISTIO_GRPC_AVAILABILITY:
        base.append(_equal(names.protocol, "grpc"))
    base.append(f"{names.flags}!~{_quoted(_listed(EXCLUDED_FLAGS))}")
    failed = f"{names.flags}=~{_quoted(_listed(ERROR_FLAGS))}"
    fine = f"{names.flags}!~{_quoted(_listed(ERROR_FLAGS))}"
    code, no_code = f'{names.code}=~"{_CODE}"', f'{names.code}!~"{_CODE}"'
    states = sorted(GRPC_ERRORS)
    grpc_failed, grpc_fine = f"{names.grpc}=~{_quoted('|'.join(states))}", f"{names.grpc}!~{_quoted('|'.join(states))}"
    # Disjoint by construction, so that their sum counts nothing twice.
    bad = (
        (failed,),
        (fine, grpc_failed),
        (fine, grpc_fine, f'{names.code}=~"5.."'),
    )
    good_too = ((fine, grpc_fine, code, f'{names.code}!~"5.."'), (fine, grpc_fine, no_code, f'{names.grpc}=~"[0-9]+"'))
    return RatioSli(
        bad=Query(_joined(_selector(names.requests, (*base, *more), names) for more in bad)),
        total=Query(_joined(_selector(names.requests, (*base, *more), names) for more in (*bad, *good_too))),
    )


def le_pattern(bound: float) -> str:
    """A regular expression for a bucket's ``le`` in both spellings: ``250`` (2.x) and ``250.0`` (3.x)."""
    number = f"{bound:.12g}"
    return escaped(number) + ("" if "." in number else r"(\.0)?")


def escaped(value: str) -> str:
    """``value`` as a literal inside a PromQL (RE2) regular expression."""
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in value)


def _listed(flags: Iterable[str]) -> str:
    """A flag label may hold several flags: ``UF,URX``."""
    return f"(.*,)?({'|'.join(sorted(flags))})(,.*)?"


def _service(names: MeshNames, scope: ServiceRef) -> list[str]:
    return [_equal(names.namespace, scope.namespace), _equal(names.service, scope.name)]


def _equal(label: str, value: str) -> str:
    return f"{label}={_quoted(value)}"


def _selector(metric: str, matchers: Iterable[str], names: MeshNames) -> str:
    return f"{metric}{{{', '.join([*matchers, names.extra] if names.extra else matchers)}}}"


def _joined(selectors: Iterable[str]) -> str:
    return " or ".join(selectors)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
