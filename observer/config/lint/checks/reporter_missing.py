"""A mesh metric without ``reporter``: each call is counted by both of its sidecars."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject

_REPORTED: Final = re.compile(r"istio_(requests_total|(request|response)_\w+|tcp_\w+)")


def _run(subject: Subject) -> Iterator[Hit]:
    for question, selected in subject.selected():
        if _REPORTED.fullmatch(selected.metric) and not any(
            matcher.op in {"=", "=~"} for matcher in selected.on("reporter")
        ):
            yield question.hit(
                f"selects {selected.metric} without reporter: caller and callee both count a call, but only the "
                "caller counts one that reached no pod",
                'reporter="source" for availability, reporter="destination" for latency, "waypoint" in ambient mode',
            )


CHECK = Check("reporter-missing", Severity.ERROR, "a mesh metric is selected without reporter", _run)
