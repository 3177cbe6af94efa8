"""Our model -> the JSON of Grafana (schema 41, the classic model that both of its APIs take), through its own SDK."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from grafana_foundation_sdk.builders import bargauge, common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as shown
from grafana_foundation_sdk.models import dashboard as grafana
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from observer.dashboards.model import Colour, Dashboard, Panel, Row, Shape, Target, Variable
from observer.domain import names

SOURCE: Final = grafana.DataSourceRef(type_val="prometheus", uid="${datasource}")
_NOTES: Final = grafana.DataSourceRef(type_val="grafana", uid="-- Grafana --")
_WIDE = 24
_HEADING = 1
_PanelBuilder = timeseries.Panel | stat.Panel | statetimeline.Panel | table.Panel | bargauge.Panel


def rendered(dashboard: Dashboard) -> dict[str, object]:
    """The dashboard as Grafana's model; ``id`` and ``version`` are left to the server."""
    made = (
        build.Dashboard(dashboard.title)
        .uid(dashboard.uid)
        .description(dashboard.description)
        .tags([names.GRAFANA_TAG])
        .readonly()
        .time(dashboard.since, "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(grafana.DashboardCursorSync.CROSSHAIR)
        .with_variable(_data_source())
        .annotation(_acts())
        .link(_others())
    )
    for variable in dashboard.variables:
        made.with_variable(_variable(variable))
    body = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    body["panels"] = _placed(dashboard.rows)
    return _without_empty(body)


def text(dashboard: Dashboard) -> str:
    """The file of the dashboard: sorted keys, two blanks, a line break at the end."""
    return json.dumps(rendered(dashboard), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _placed(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Panels from left to right, a new line where one does not fit; identities by their order."""
    panels: list[dict[str, object]] = []
    y = 0
    for row in rows:
        heading = build.Row(row.title).grid_pos(grafana.GridPos(h=_HEADING, w=_WIDE, x=0, y=y))
        panels.append(_encoded(heading, len(panels) + 1))
        y, x, tallest = y + _HEADING, 0, 0
        for panel in row.panels:
            if x + panel.width > _WIDE:
                y, x, tallest = y + tallest, 0, 0
            place = grafana.GridPos(h=panel.height, w=panel.width, x=x, y=y)
            panels.append(_encoded(_panel(panel).grid_pos(place), len(panels) + 1))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return panels


def _encoded(builder: _PanelBuilder | build.Row, number: int) -> dict[str, object]:
    body: dict[str, object] = json.loads(JSONEncoder(sort_keys=True).encode(builder.id(number).build()))
    return body


def _panel(panel: Panel) -> _PanelBuilder:
    made = _shaped(panel)
    made.title(panel.title).description(panel.description).unit(panel.unit).datasource(SOURCE)
    made.mappings([_words(panel)] if panel.words else [])
    steps = panel.thresholds or ((0.0, Colour.NEUTRAL if panel.shape is Shape.NUMBER else Colour.GOOD),)
    made.thresholds(
        build.ThresholdsConfig()
        .mode(grafana.ThresholdsMode.ABSOLUTE)
        .steps([grafana.Threshold(value if i else None, colour) for i, (value, colour) in enumerate(steps)])
    )
    for number, target in enumerate(panel.targets):
        made.with_target(_query(target, number, instant=panel.shape is Shape.TABLE))
    return made


def _shaped(panel: Panel) -> _PanelBuilder:
    if panel.shape is Shape.NUMBER:
        newest = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")
        made = stat.Panel().reduce_options(newest).color_mode(shown.BigValueColorMode.BACKGROUND)
        return made.graph_mode(shown.BigValueGraphMode.NONE).text_mode(shown.BigValueTextMode.AUTO)
    if panel.shape is Shape.STATES:
        return statetimeline.Panel().show_value(shown.VisibilityMode.NEVER).merge_values(True)
    if panel.shape is Shape.TABLE:
        hidden = {"excludeByName": {"Time": True, "__name__": True}}
        return table.Panel().transformations([grafana.DataTransformerConfig(id_val="organize", options=hidden)])
    legend = common.VizLegendOptions().display_mode(shown.LegendDisplayMode.LIST)
    lines = timeseries.Panel().legend(legend.placement(shown.LegendPlacement.BOTTOM).show_legend(True)).min(0)
    if panel.shape is Shape.BARS:
        stacked = common.StackingConfig().mode(shown.StackingMode.NORMAL)
        return lines.draw_style(shown.GraphDrawStyle.BARS).fill_opacity(80).stacking(stacked)
    return lines.fill_opacity(8).show_points(shown.VisibilityMode.NEVER)


def _words(panel: Panel) -> grafana.ValueMap:
    options = {
        f"{value:g}": grafana.ValueMappingResult(text=word, color=colour.value, index=i)
        for i, (value, word, colour) in enumerate(panel.words)
    }
    return grafana.ValueMap(options=options)


def _query(target: Target, number: int, *, instant: bool) -> Dataquery:
    made = Dataquery().expr(target.expr).ref_id(chr(ord("A") + number)).legend_format(target.legend or "__auto")
    made.datasource(SOURCE)
    return made.instant().format(PromQueryFormat.TABLE) if instant else made.range()


def _data_source() -> build.DatasourceVariable:
    return build.DatasourceVariable("datasource").label("Data source").type("prometheus").include_all(False)


def _variable(variable: Variable) -> build.QueryVariable:
    made = build.QueryVariable(variable.name).label(variable.label).query(variable.query).datasource(SOURCE)
    made.refresh(grafana.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(grafana.VariableSort.ALPHABETICAL_ASC)
    everything = grafana.VariableOption(selected=True, text="All", value="$__all")
    return made.multi(True).include_all(True).all_value(".+").current(everything)


def _acts() -> build.AnnotationQuery:
    """What Observer did, as its annotation sink wrote it."""
    wanted = build.AnnotationTarget().type("tags").tags([names.GRAFANA_TAG]).limit(100).match_any(False)
    return (
        build.AnnotationQuery()
        .name("Acts of Observer")
        .datasource(_NOTES)
        .enable(True)
        .icon_color("purple")
        .target(wanted)
    )


def _others() -> build.DashboardLink:
    link = build.DashboardLink("Observer").type(grafana.DashboardLinkType.DASHBOARDS).tags([names.GRAFANA_TAG])
    return link.as_dropdown(True).include_vars(False).keep_time(True)


def _without_empty(body: dict[str, object]) -> dict[str, object]:
    """What the SDK leaves empty says nothing; some servers write it back otherwise."""
    return {key: value for key, value in body.items() if value not in (None, {}, [])}
