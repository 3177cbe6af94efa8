"""Observer's own health: does it keep its pace, what can it not see, what does it lose."""

from __future__ import annotations

from observer.dashboards.model import Colour, Dashboard, Panel, Row, Shape, Target, number
from observer.dashboards.queries import INSTANCE, JOB, by, grown, own, quantile, rate, share
from observer.domain import names

_YES = ((0.0, "no", Colour.BAD), (1.0, "yes", Colour.GOOD))


def itself() -> Dashboard:
    return Dashboard(
        uid="observer-itself",
        title="Observer / Itself",
        description="Does Observer keep its pace, what can it not see, and does it lose notifications.",
        variables=(JOB, INSTANCE),
        rows=(_alive(), _pace(), _visibility(), _notifications(), _process()),
    )


def _alive() -> Row:
    return Row(
        "Alive",
        (
            number(
                "Since the last tick",
                "Longer than a few ticks: the loop stands still and nothing is watched.",
                f"time() - max({own(names.LAST_TICK)})",
                thresholds=((0, Colour.GOOD), (15, Colour.DOUBTFUL), (60, Colour.BAD)), unit="s",
            ),
            number(
                "Kill switch readable",
                "While it is not, all actions are paused and only restores run.",
                f"min({own(names.SWITCH_READABLE)})",
                words=_YES,
            ),
            number(
                "Edited files in force",
                "No: the files on the disk were refused and the older ones stay in force. The log says why.",
                f"min({own(names.CONFIG_VALID)})",
                words=_YES,
            ),
            number(
                "Decisions not kept",
                "Decisions that the journal did not take. They were sent to all receivers all the same.",
                f"sum(increase({own(names.UNRECORDED_TOTAL)}[$__range]))",
                thresholds=((0, Colour.GOOD), (1, Colour.BAD)),
            ),
            Panel(
                "Versions",
                "Which build each replica runs.",
                "short",
                (Target(by("instance, version", own(names.BUILD_INFO), "max")),),
                Shape.TABLE, height=4,
            ),
        ),
    )  # fmt: skip


def _pace() -> Row:
    ticks = own(f"{names.TICK_SECONDS}_bucket")
    looks = own(f"{names.OBJECTIVE_SECONDS}_bucket")
    return Row(
        "Pace",
        (
            Panel(
                "Duration of ticks",
                "From the first question to the last write. It must stay well below the tick.",
                "s",
                (Target(quantile(0.5, ticks), "half"), Target(quantile(0.99, ticks), "99 %")),
            ),
            Panel(
                "Ticks",
                "How many ended, and how many began late. A late tick is skipped, never queued.",
                "ops",
                (
                    Target(f"sum({rate(own(names.TICKS_TOTAL))})", "ended"),
                    Target(f"sum({rate(own(names.TICK_OVERRUNS_TOTAL))})", "late"),
                ),
            ),
            Panel(
                "Looks at objectives",
                "Their duration, beside the tick and not within it.",
                "s",
                (Target(quantile(0.5, looks), "half"), Target(quantile(0.99, looks), "99 %")),
            ),
        ),
    )  # fmt: skip


def _visibility() -> Row:
    return Row("Sight", (*_source_panels(), *_objective_panels()))


def _source_panels() -> tuple[Panel, ...]:
    blind = own(names.TICKS_TOTAL, 'complete="false"')
    return (
        Panel(
            "Blind ticks",
            "Share of ticks whose data was not complete. They decide no drain and no eviction.",
            "percentunit",
            (Target(share(f"sum({grown(blind)})", f"sum({grown(own(names.TICKS_TOTAL))})"), "blind"),),
        ),
        Panel(
            "Gaps",
            "What a source could not tell, by its reason.",
            "short",
            (Target(by("source, reason", grown(own(names.GAPS_TOTAL))), "{{source}}: {{reason}}", "a source failed"),),
            Shape.BARS,
        ),
        Panel(
            "Sources that are left alone",
            "A source that keeps failing is not asked for a while.",
            "short",
            (Target(by("source", own(names.SOURCE_CIRCUIT), "max"), "{{source}}", "Jaeger or Kiali is configured"),),
            Shape.STATES,
            words=((0, "asked", Colour.GOOD), (1, "tried again", Colour.DOUBTFUL), (2, "left alone", Colour.BAD)),
        ),
    )


def _objective_panels() -> tuple[Panel, ...]:
    return (
        Panel(
            "Looks that were answered",
            "Objectives are looked at beside the tick; an unanswered look keeps the state of the last one.",
            "short",
            (Target(by("answered", grown(own(names.OBJECTIVE_EVALUATIONS_TOTAL))), "answered: {{answered}}"),),
            Shape.BARS,
        ),
        Panel(
            "Events of new series",
            "Counted from zero because their series appeared together with the target.",
            "short",
            (Target(f"sum({grown(own(names.OBJECTIVE_NEW_SERIES_TOTAL))})", "events"),),
        ),
        Panel(
            "Objectives by state",
            "`absent`, `stale`, `partial` and `conflict` are not looked through.",
            "short",
            (Target(by("state", own(names.OBJECTIVES), "max"), "{{state}}"),),
            Shape.BARS,
        ),
    )


def _notifications() -> Row:
    return Row(
        "Telling and listening",
        (
            Panel(
                "Records that a sink lost",
                "Its queue was full, or it failed. A slow sink loses records and never delays a decision.",
                "short",
                (Target(by("sink", grown(own(names.SINK_DROPPED_TOTAL))), "{{sink}}"),),
                Shape.BARS,
            ),
            Panel(
                "Notifications of alerts",
                "What the webhook answered.",
                "short",
                (Target(by("code", grown(own(names.ALERT_WEBHOOK_TOTAL))), "{{code}}", "an alert was posted"),),
                Shape.BARS,
            ),
            Panel(
                "Pages that follow",
                "Listeners of the stream. One that is too slow is sent away and counted as lost by the sink stream.",
                "short",
                (Target(by("instance", own(names.STREAM_CLIENTS), "max"), "{{instance}}"),),
            ),
            Panel(
                "Edited files",
                "Taken into force, or refused as a whole.",
                "short",
                (Target(by("result", grown(own(names.CONFIG_RELOADS_TOTAL))), "{{result}}"),),
                Shape.BARS,
            ),
        ),
    )  # fmt: skip


def _process() -> Row:
    return Row(
        "Process",
        (
            Panel(
                "Processor",
                "Cores that the process uses.",
                "short",
                (Target(by("instance", rate(own("process_cpu_seconds_total"))), "{{instance}}"),),
            ),
            Panel(
                "Memory",
                "Resident memory.",
                "bytes",
                (Target(by("instance", own("process_resident_memory_bytes"), "max"), "{{instance}}"),),
            ),
            Panel(
                "Open files",
                "Connections and files, against how many there may be.",
                "short",
                (
                    Target(by("instance", own("process_open_fds"), "max"), "{{instance}}"),
                    Target(f"min({own('process_max_fds')})", "allowed"),
                ),
            ),
        ),
    )  # fmt: skip
