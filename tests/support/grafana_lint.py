"""The rules of Grafana's dashboard linter for dashboards that ask Prometheus, written from its documentation."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import promql_parser as pp

Json = dict[str, Any]
UNITS = {"none", "short", "percentunit", "s", "ms", "bytes", "reqps", "ops"}
"""Those of Grafana's units that we use; a new one is looked up there first."""
SOURCES = {"$datasource", "${datasource}"}
QUERIES = {"timeseries", "stat", "table", "state-timeline", "gauge"}
INTERVAL = "3m17s"
"""Stands for $__rate_interval: no range that a person would write."""


def panels(board: Json) -> list[Json]:
    return [one for one in board["panels"] if one["type"] != "row"]


def filled(expr: str) -> str:
    """A query with Grafana's variables replaced by something that parses."""
    expr = expr.replace("$__rate_interval", INTERVAL).replace("$__range", "6h")
    return re.sub(r"\$\{?[a-z_]+\}?", "some", expr)


def selectors(expr: str) -> list[pp.VectorSelector]:
    return [one for one, _ in _walk(pp.parse(filled(expr)), ()) if isinstance(one, pp.VectorSelector)]


def _walk(node: Any, parents: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    yield node, parents
    inner = (*parents, node)
    children: list[Any] = []
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        child = getattr(node, name, None)
        if child is not None and type(child).__module__.startswith("promql_parser"):
            children.append(child)
    children += list(getattr(node, "args", None) or ())
    for child in children:
        yield from _walk(child, inner)


def template_datasource(board: Json) -> Iterator[str]:
    found = [one for one in board["templating"]["list"] if one["type"] == "datasource"]
    if len(found) != 1 or found[0]["name"] != "datasource" or found[0].get("label") != "Data source":
        yield "a variable datasource, labelled Data source"
    elif found[0]["query"] != "prometheus":
        yield "of type prometheus"


def template_job(board: Json) -> Iterator[str]:
    yield from _template(board, "job")


def template_instance(board: Json) -> Iterator[str]:
    yield from _template(board, "instance")


def _template(board: Json, name: str) -> Iterator[str]:
    found = next((one for one in board["templating"]["list"] if one["name"] == name), None)
    if found is None:
        yield f"no variable {name}"
        return
    right = found["type"] == "query" and found["datasource"]["uid"] in SOURCES
    if not right or found["label"] != name.title() or not found["multi"] or found["allValue"] != ".+":
        yield f"variable {name} is not as the linter wants it"


def template_label_promql(board: Json) -> Iterator[str]:
    for one in board["templating"]["list"]:
        if one["type"] != "query":
            continue
        match = re.fullmatch(r"label_values\((.+), (\w+)\)", one["query"])
        if match is None:
            yield f"{one['name']}: no label_values"
        elif not _parses(match[1]):
            yield f"{one['name']}: no PromQL"


def template_on_time_change_reload(board: Json) -> Iterator[str]:
    for one in board["templating"]["list"]:
        if one["type"] == "query" and one.get("refresh") != 2:
            yield f"{one['name']}: not asked again when the time moves"


def uneditable_dashboard(board: Json) -> Iterator[str]:
    if board["editable"]:
        yield "editable"


def panel_datasource(board: Json) -> Iterator[str]:
    for panel in panels(board):
        sources = [panel.get("datasource"), *(target.get("datasource") for target in panel["targets"])]
        if any((source or {}).get("uid") not in SOURCES for source in sources):
            yield panel["title"]


def panel_title_description(board: Json) -> Iterator[str]:
    for panel in panels(board):
        if not panel.get("title") or not panel.get("description"):
            yield str(panel.get("title"))


def panel_units(board: Json) -> Iterator[str]:
    for panel in panels(board):
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield panel["title"]


def panel_no_targets(board: Json) -> Iterator[str]:
    for panel in panels(board):
        if panel["type"] in QUERIES and not panel.get("targets"):
            yield panel["title"]


def target_promql(board: Json) -> Iterator[str]:
    for panel, _, expr in _targets(board):
        if not _parses(expr):
            yield f"{panel}: {expr}"


def target_rate_interval(board: Json) -> Iterator[str]:
    for panel, _, expr in _targets(board):
        for node, parents in _walk(pp.parse(filled(expr)), ()):
            if not isinstance(node, pp.MatrixSelector) or not parents:
                continue
            call = parents[-1]
            named = call.func.name if isinstance(call, pp.Call) else ""
            if named in {"rate", "irate"} and node.range.total_seconds() != 197:
                yield f"{panel}: {expr}"


def target_counter_agg(board: Json) -> Iterator[str]:
    for panel, _, expr in _targets(board):
        for node, parents in _walk(pp.parse(filled(expr)), ()):
            if not isinstance(node, pp.VectorSelector) or not (node.name or "").endswith("_total"):
                continue
            if ":" in (node.name or ""):
                continue  # a recorded series, no counter
            call = parents[-2] if len(parents) > 1 and isinstance(parents[-1], pp.MatrixSelector) else None
            if not isinstance(call, pp.Call) or call.func.name not in {"rate", "irate", "increase"}:
                yield f"{panel}: {expr}"


def target_job(board: Json) -> Iterator[str]:
    yield from _matcher(board, "job")


def target_instance(board: Json) -> Iterator[str]:
    yield from _matcher(board, "instance")


def _matcher(board: Json, name: str) -> Iterator[str]:
    for panel, number, expr in _targets(board):
        found = selectors(expr)
        text = [one.prettify() for one in found]
        if not found or not all(f'{name}=~"some"' in one.replace(" ", "") for one in text):
            yield f"{panel}#{number}"


RULES: dict[str, Callable[[Json], Iterator[str]]] = {
    f"{rule.__name__.replace('_', '-')}-rule" if rule is not uneditable_dashboard else "uneditable-dashboard": rule
    for rule in (
        template_datasource,
        template_job,
        template_instance,
        template_label_promql,
        template_on_time_change_reload,
        uneditable_dashboard,
        panel_datasource,
        panel_title_description,
        panel_units,
        panel_no_targets,
        target_promql,
        target_rate_interval,
        target_counter_agg,
        target_job,
        target_instance,
    )
}


def excluded(exceptions: Json, rule: str, title: str, found: str) -> bool:
    """The linter's configuration file passes this one over."""
    known = exceptions.get(rule, {}).get("entries", ())
    return any(
        one["dashboard"] == title and ("panel" not in one or found == f"{one['panel']}#{one['targetIdx']}")
        for one in known
    )


def _targets(board: Json) -> Iterator[tuple[str, int, str]]:
    for panel in panels(board):
        for number, target in enumerate(panel["targets"]):
            yield panel["title"], number, target["expr"]


def _parses(expr: str) -> bool:
    try:
        pp.parse(filled(expr))
    except ValueError:
        return False
    return True
