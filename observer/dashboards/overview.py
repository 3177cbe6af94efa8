"""The first page of an on-call engineer: may Observer act, does it see, are users affected, what did it do."""

from __future__ import annotations

from observer.dashboards.model import Colour, Dashboard, Panel, Row, Shape, Target, number
from observer.dashboards.queries import INSTANCE, JOB, by, grown, own, share
from observer.domain import names

DECIDED = "something was decided"


def overview() -> Dashboard:
    return Dashboard(
        uid="observer-overview",
        title="Observer / Overview",
        description="May Observer act, does it see everything, are users affected, and what did it do about it.",
        variables=(JOB, INSTANCE),
        rows=(_now(), _users(), _work()),
    )


def _now() -> Row:
    return Row(
        "Now",
        (
            number(
                "Leader",
                "Whether a replica holds the Lease. Without one nobody acts and everybody observes.",
                f"max({own(names.LEADER)})",
                words=((0, "nobody leads", Colour.BAD), (1, "one leads", Colour.GOOD)),
            ),
            number(
                "Kill switch",
                "Paused by a person, or not readable, which counts as paused. Restores go on.",
                f"max({own(names.PAUSED)})",
                words=((0, "released", Colour.GOOD), (1, "paused", Colour.DOUBTFUL)),
            ),
            _complete_ticks(),
            number(
                "Open suspicions",
                "Incidents that are not closed.",
                f"max({own(names.SUSPECTS)})",
                thresholds=((0, Colour.GOOD), (1, Colour.DOUBTFUL), (10, Colour.BAD)),
            ),
            number(
                "Drained pods",
                "Pods out of traffic by Observer's hand. Each has an expiry on the object itself.",
                f"max({own(names.DRAINED_PODS)})",
                thresholds=((0, Colour.GOOD), (1, Colour.DOUBTFUL), (10, Colour.BAD)),
            ),
            number(
                "Blocked actions",
                "Actions that are due and that a guard blocks. `observer status` names them.",
                f"max({own(names.BLOCKED_ACTIONS)})",
                thresholds=((0, Colour.GOOD), (1, Colour.DOUBTFUL)),
            ),
        ),
    )  # fmt: skip


def _complete_ticks() -> Panel:
    complete, ticks = own(names.TICKS_TOTAL, 'complete="true"'), own(names.TICKS_TOTAL)
    return number(
        "Ticks that saw everything",
        "A tick whose data is not complete decides no drain and no eviction.",
        share(f"sum({grown(complete)})", f"sum({grown(ticks)})"),
        thresholds=((0, Colour.BAD), (0.9, Colour.DOUBTFUL), (0.99, Colour.GOOD)),
        unit="percentunit",
    )


def _users() -> Row:
    return Row(
        "Users",
        (
            Panel(
                "Objectives by the state of their data",
                "Only `ok` is worth acting on: stale, partial or conflicting data is unknown.",
                "short",
                (Target(by("state", own(names.OBJECTIVES), "max"), "{{state}}"),),
                Shape.BARS, width=12,
            ),
            Panel(
                "Least error budget left",
                "The ten objectives with the least budget, as Observer counts it. Below 0 it is overdrawn.",
                "percentunit",
                (Target(f"bottomk(10, {by(names.SLO_ID, own(names.OBJECTIVE_BUDGET), 'min')})", "{{slo_id}}"),),
                width=12,
            ),
        ),
    )  # fmt: skip


def _work() -> Row:
    return Row(
        "What was done",
        (
            Panel(
                "Decisions",
                "Actions and those not taken, by kind and verdict.",
                "short",
                (
                    Target(
                        by("kind, verdict", grown(own(names.DECISIONS_TOTAL))), "{{kind}} {{verdict}}", DECIDED
                    ),
                ),
                Shape.BARS,
            ),
            Panel(
                "Acts",
                "Writes to the cluster by action and by what the API server said.",
                "short",
                (Target(by("action, result", grown(own(names.ACTIONS_TOTAL))), "{{action}} {{result}}"),),
                Shape.BARS,
            ),
            Panel(
                "Did it help",
                "Verdicts on replacements, by the same figures that made the suspicion.",
                "short",
                (Target(by("verdict", grown(own(names.VERIFICATIONS_TOTAL))), "{{verdict}}"),),
                Shape.BARS,
            ),
        ),
    )  # fmt: skip
