"""Everything that Observer did to the cluster and what came of it."""

from __future__ import annotations

from observer.actions import writing
from observer.dashboards.model import Colour, Dashboard, Panel, Row, Shape, Target, number
from observer.dashboards.queries import INSTANCE, JOB, by, grown, own, share
from observer.domain import names


def actions() -> Dashboard:
    return Dashboard(
        uid="observer-actions",
        title="Observer / Actions",
        description="Drains, evictions and restores, their outcomes, and whether they helped.",
        variables=(JOB, INSTANCE),
        since="now-24h",
        rows=(_sums(), _acts(), _standing()),
    )


def _sums() -> Row:
    def of(metric: str, *matchers: str) -> str:
        return f"sum(increase({own(metric, *matchers)}[$__range]))"

    fixed = of(names.VERIFICATIONS_TOTAL, 'verdict="fixed"')
    return Row(
        "In this time",
        (
            *(
                number(
                    spec.done.capitalize(),
                    spec.summary,
                    of(names.ACTIONS_TOTAL, f'action="{spec.kind.value}"', 'result="applied"'),
                )
                for spec in writing()
            ),
            number(
                "Refused or unknown",
                "Acts that a person has to look at: no permission, several budgets, or an answer that got lost.",
                of(names.ACTIONS_TOTAL, 'result=~"refused|unknown"'),
                thresholds=((0, Colour.GOOD), (1, Colour.BAD)),
            ),
            number(
                "Made worse",
                "Replacements that were worse than what they replaced. They freeze the workload.",
                of(names.VERIFICATIONS_TOTAL, 'verdict="worse"'),
                thresholds=((0, Colour.GOOD), (1, Colour.BAD)),
            ),
            number(
                "Share that helped",
                "Verified as fixed, of all verdicts. No value without a verdict.",
                share(fixed, of(names.VERIFICATIONS_TOTAL)),
                thresholds=((0, Colour.BAD), (0.5, Colour.DOUBTFUL), (0.8, Colour.GOOD)), unit="percentunit",
            ),
        ),
    )  # fmt: skip


def _acts() -> Row:
    return Row(
        "Over time",
        (
            *(
                Panel(
                    f"{spec.done.capitalize()}, by result",
                    f"{spec.summary} Deferred: tried again. Superseded: its target is gone.",
                    "short",
                    (
                        Target(
                            by("result", grown(own(names.ACTIONS_TOTAL, f'action="{spec.kind.value}"'))), "{{result}}"
                        ),
                    ),
                    Shape.BARS,
                )
                for spec in writing()
            ),
            Panel(
                "Verdicts",
                "`no_change` and `worse` count as useless: they lengthen the back-off and feed the breaker.",
                "short",
                (Target(by("verdict", grown(own(names.VERIFICATIONS_TOTAL))), "{{verdict}}"),),
                Shape.BARS, width=12,
            ),
            Panel(
                "Workloads by mode",
                "What their policy lets Observer do: only tell, try with dryRun, or act.",
                "short",
                (Target(by("mode", own(names.POLICY_WORKLOADS), "max"), "{{mode}}"),),
                width=12,
            ),
        ),
    )  # fmt: skip


def _standing() -> Row:
    return Row(
        "How things stood",
        (
            Panel(
                "Suspicions, drained pods, blocked actions",
                "At the end of each tick, of the replica that has the most.",
                "short",
                (
                    Target(f"max({own(names.SUSPECTS)})", "suspicions"),
                    Target(f"max({own(names.DRAINED_PODS)})", "drained"),
                    Target(f"max({own(names.BLOCKED_ACTIONS)})", "holds"),
                ),
                width=12,
            ),
            Panel(
                "Who may act",
                "Which replica held the Lease, and whether actions were paused.",
                "short",
                (
                    Target(by("instance", own(names.LEADER), "max"), "leads: {{instance}}"),
                    Target(f"max({own(names.PAUSED)})", "paused"),
                ),
                Shape.STATES, width=12,
                words=((0, "no", Colour.NEUTRAL), (1, "yes", Colour.GOOD)),
            ),
        ),
    )  # fmt: skip
