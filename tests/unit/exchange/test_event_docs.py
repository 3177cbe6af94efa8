"""docs/events.md lists what the code knows: every type of event, every field of a link."""

from __future__ import annotations

import re
from pathlib import Path

from observer.config.settings.links import FIELDS
from observer.domain.kinds import Kind
from observer.exchange.event_schema import event_type

TEXT = (Path(__file__).parents[3] / "docs" / "events.md").read_text()


def test_every_type_is_listed_with_its_meaning() -> None:
    listed = dict(re.findall(r"^\| `(dev\.observer\.\w+\.v\d+)` \| (.+) \|$", TEXT, re.MULTILINE))
    assert listed == {event_type(kind): kind.meaning for kind in Kind}


def test_every_field_of_a_link_is_listed() -> None:
    assert dict(re.findall(r"^\| `\{(\w+)\}` \| (.+) \|$", TEXT, re.MULTILINE)) == FIELDS
