"""All shipped dashboards, their files, and every question that they ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import yaml

from observer.dashboards.actions import actions
from observer.dashboards.itself import itself
from observer.dashboards.model import Dashboard
from observer.dashboards.objective import objectives
from observer.dashboards.overview import overview
from observer.dashboards.render import text
from observer.dashboards.workload import workload

LINT_FILE: Final = ".lint"
_WHY: Final = "series of the mesh and of recording rules carry no job or instance of Observer's"


class PanelQuery(NamedTuple):
    """
    One query of one panel.

    ``needs_event`` is True where there is no series before something happens (``event`` says what in words); all
    others answer in a healthy installation that Prometheus scrapes and whose rules are loaded.
    """

    dashboard: str
    panel: str
    expr: str
    needs_event: bool
    event: str = ""


def shipped() -> tuple[Dashboard, ...]:
    """The dashboards that come with Observer."""
    return overview(), objectives(), workload(), actions(), itself()


def questions(dashboards: Iterable[Dashboard] | None = None) -> tuple[PanelQuery, ...]:
    """Every query of ``dashboards`` (of the shipped ones), in reading order, with Grafana's variables in it."""
    return tuple(
        PanelQuery(dashboard.uid, panel.title, target.expr, bool(target.needs_event), target.needs_event)
        for dashboard in (shipped() if dashboards is None else dashboards)
        for panel in dashboard.panels()
        for target in panel.targets
    )


def files(dashboards: Iterable[Dashboard]) -> dict[str, str]:
    """File names and texts, in a fixed order; the dashboard linter's exceptions are one of them."""
    made = tuple(dashboards)
    texts = {f"{board.uid}.json": text(board) for board in made}
    if exceptions := lint_exceptions(made):
        texts[LINT_FILE] = yaml.safe_dump({"exclusions": exceptions}, sort_keys=True, width=120)
    return dict(sorted(texts.items()))


def lint_exceptions(dashboards: Iterable[Dashboard]) -> Mapping[str, object]:
    """What the dashboard linter is to pass over, rule by rule and with the reason: only what it must."""
    found: dict[str, list[dict[str, str]]] = {}
    for dashboard in dashboards:
        known = {variable.name for variable in dashboard.variables}
        for name in ("job", "instance"):
            if name not in known:
                found.setdefault(f"template-{name}-rule", []).append({"dashboard": dashboard.title})
            for entry in _foreign(dashboard, name):
                found.setdefault(f"target-{name}-rule", []).append(entry)
    return {rule: {"reason": _WHY, "entries": entries} for rule, entries in sorted(found.items())}


def _foreign(dashboard: Dashboard, name: str) -> Iterator[dict[str, str]]:
    for panel in dashboard.panels():
        for number, target in enumerate(panel.targets):
            if f'{name}=~"${name}"' not in target.expr:
                yield {"dashboard": dashboard.title, "panel": panel.title, "targetIdx": str(number)}
