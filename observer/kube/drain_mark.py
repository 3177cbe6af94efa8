"""The note that Observer leaves on a pod it drained: enough for anybody to give the pod back without asking us."""

from __future__ import annotations

import json
from dataclasses import dataclass

from observer.kube.times import rfc3339, unix


@dataclass(frozen=True, slots=True)
class DrainMark:
    """
    The value of annotation ``names.DRAIN_ANNOTATION``.

    Attributes:
        incident: whose drain it is; empty when the note cannot be read.
        expires: Unix seconds after which anybody may give the pod back; 0 when the note cannot be read, so that a
            spoiled note never keeps a pod drained.
        by: which Observer wrote it. term: its fencing number.
    """

    incident: str
    expires: float
    by: str = ""
    term: int = 0

    def text(self) -> str:
        """As it stands in the annotation."""
        fields = {"incident": self.incident, "expires": rfc3339(self.expires), "by": self.by, "term": self.term}
        return json.dumps(fields, sort_keys=True)

    @classmethod
    def of(cls, text: str) -> DrainMark:
        """Read a note; whatever is not as we write it counts as unreadable."""
        try:
            fields = json.loads(text)
            return cls(str(fields["incident"]), unix(fields["expires"]), str(fields.get("by", "")), int(fields["term"]))
        except (ValueError, TypeError, LookupError, AttributeError):
            return cls("", 0.0)
