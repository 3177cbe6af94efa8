"""Two objectives with one identity: they would share one budget."""

from __future__ import annotations

from collections.abc import Iterator

from observer.config.lint.check import Check, Severity
from observer.config.lint.subject import Hit, Subject
from observer.config.openslo.assemble import Made


def _run(subject: Subject) -> Iterator[Hit]:
    seen: dict[str, Made] = {}
    for made in subject.assembled.made:
        key = f"{made.objective.cluster}/{made.objective.id}"
        first = seen.setdefault(key, made)
        if first is not made and first.slo is not made.slo:
            where = f"{first.slo.document.file}:{first.slo.document.values[()][0]}"
            fault = made.slo.fault(
                ("metadata", "name"), f"objective {made.objective.id} exists already", f"first given at {where}"
            )
            yield Hit(fault, made.slo)


CHECK = Check("objective-duplicate", Severity.ERROR, "two objectives have one id", _run)
