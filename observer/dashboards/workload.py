"""One workload, pod by pod: which of them differs from the other replicas, and as whom it is seen."""

from __future__ import annotations

from typing import Final

from observer.dashboards.model import Dashboard, Panel, Row, Shape, Target, Variable
from observer.dashboards.queries import by, quantile, quoted, rate, share
from observer.domain.classify import ERROR_FLAGS, EXCLUDED_FLAGS
from observer.engine.slo.presets import ISTIO

_SPACE: Final = "destination_workload_namespace"
_WORKLOAD: Final = "destination_workload"
_CHOSEN: Final = f'{_SPACE}=~"$namespace", {_WORKLOAD}=~"$workload"'


def workload() -> Dashboard:
    at_pods, at_callers = f'reporter="{ISTIO.own}"', f'reporter="{ISTIO.callers}"'
    return Dashboard(
        uid="observer-workload",
        title="Observer / Workload",
        description="The pods of a workload side by side: errors, latency and load, as they and their callers count.",
        variables=(
            Variable("namespace", "Namespace", f"label_values({ISTIO.requests}, {_SPACE})"),
            Variable("workload", "Workload", f'label_values({ISTIO.requests}{{{_SPACE}=~"$namespace"}}, {_WORKLOAD})'),
        ),
        since="now-1h",
        rows=(_pods(at_pods), _callers(at_callers)),
    )


def _pods(reporter: str) -> Row:
    buckets = f"{ISTIO.buckets}{{{reporter}, {_CHOSEN}}}"
    everything = by("pod", rate(_requests(reporter)))
    return Row(
        "Pods, as their sidecars count",
        (
            Panel(
                "Requests by pod",
                "A drained pod falls to zero; the other replicas take its share.",
                "reqps",
                (Target(everything, "{{pod}}"),),
            ),
            Panel(
                "Share of errors by pod",
                "5xx and broken connections; what a client, a policy or an experiment did is no error of the pod.",
                "percentunit",
                (Target(share(_errors("pod", reporter), everything), "{{pod}}"),),
            ),
            Panel(
                "Distance from the other replicas",
                "Share of errors of the worst pod, and of half of them. One line far above the other is a gray pod.",
                "percentunit",
                (
                    Target(f"max({share(_errors('pod', reporter), everything)})", "worst pod"),
                    Target(f"quantile(0.5, {share(_errors('pod', reporter), everything)})", "half of the pods"),
                ),
            ),
            *(
                Panel(
                    f"Latency by pod, {level:.0%}",
                    "Measured at the pod's own sidecar, so that the network between is not the pod's.",
                    "ms",
                    (Target(quantile(level, buckets, "pod, le"), "{{pod}}"),),
                )
                for level in (0.5, 0.9, 0.99)
            ),
        ),
    )


def _callers(reporter: str) -> Row:
    everything = by(ISTIO.source, rate(_requests(reporter)))
    return Row(
        "Callers, as their sidecars count",
        (
            Panel(
                "Requests by caller", "Who calls this workload.", "reqps", (Target(everything, "{{source_workload}}"),)
            ),
            Panel(
                "Share of errors by caller",
                "Errors of one caller alone point at the caller or at the way between.",
                "percentunit",
                (Target(share(_errors(ISTIO.source, reporter), everything), "{{source_workload}}"),),
            ),
            Panel(
                "Requests by response flag",
                "`-` is none. UF, UH, UC, URX and UT never got an answer from the pod; DC was the client's doing.",
                "reqps",
                (Target(by(ISTIO.flags, rate(_requests(reporter))), "{{response_flags}}"),),
            ),
            Panel(
                "Requests by response code",
                "All codes, those of clients included.",
                "reqps",
                (Target(by(ISTIO.code, rate(_requests(reporter))), "{{response_code}}"),),
                Shape.BARS,
            ),
            Panel(
                "Requests by revision",
                "Versions of the workload, as its pods are labelled.",
                "reqps",
                (Target(by("destination_version", rate(_requests(reporter))), "{{destination_version}}"),),
            ),
        ),
    )


def _requests(*matchers: str) -> str:
    return f"{ISTIO.requests}{{{', '.join((*matchers, _CHOSEN))}}}"


def _errors(labels: str, reporter: str) -> str:
    """Errors a second as ``domain.classify`` knows them, but for gRPC, whose states are in another label."""
    not_theirs = f"{ISTIO.flags}!~{quoted(_blocked(EXCLUDED_FLAGS))}"
    codes = _requests(reporter, f'{ISTIO.code}=~"5.."', not_theirs)
    flags = _requests(reporter, f"{ISTIO.flags}=~{quoted(_blocked(ERROR_FLAGS))}", not_theirs)
    return by(labels, f"{rate(codes)} or {rate(flags)}")


def _blocked(flags: frozenset[str]) -> str:
    """A regular expression for a comma-joined label that holds one of ``flags``."""
    return f"(.*,)?({'|'.join(sorted(flags))})(,.*)?"
