"""What ``observer top`` reads is what the daemon says: every field that it wants is in the API's own models."""

from __future__ import annotations

import msgspec
import pytest

from observer.cli.top import wire
from observer.web.views import models
from observer.web.views.decisions import DecisionList
from observer.web.views.overview import Overview

PAIRS: list[tuple[type[msgspec.Struct], type[msgspec.Struct]]] = [
    (wire.Overview, Overview),
    (wire.Control, models.Control),
    (wire.ActionRequired, models.ActionRequired),
    (wire.StandingBlock, models.StandingBlock),
    (wire.IncidentRow, models.IncidentRow),
    (wire.DecisionRow, models.DecisionRow),
    (wire.WorkloadRow, models.WorkloadRow),
]


@pytest.mark.parametrize(("wanted", "served"), PAIRS, ids=lambda kind: kind.__name__)
def test_every_field_is_served(wanted: type[msgspec.Struct], served: type[msgspec.Struct]) -> None:
    assert set(wanted.__struct_fields__) <= set(served.__struct_fields__)


def test_whole_decisions_are_listed() -> None:
    assert "decisions" in DecisionList.__struct_fields__
    assert {"at", "verdict", "kind", "text", "blocked_by"} <= set(models.DecisionRow.__struct_fields__)
    assert {"guard", "detail"} <= set(models.BlockedView.__struct_fields__)
