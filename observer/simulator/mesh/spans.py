"""
What a tracer would have recorded: a share of the requests, each hop with a span of either sidecar.

As with real sidecars a call has one client span however often it is sent again, and every attempt that reaches a pod
has a server span below it; calls that run side by side have one parent. Spans of one trace share a request id.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from observer.domain.counts import FloatArray, IntArray
from observer.simulator.mesh.pods import MeshPod
from observer.simulator.mesh.sidecars import Outcome, Outcomes

UNTRACED: Final = -1
_ROOT: Final = -2
_FINE: Final = Outcome(200, "-")
TRACES: Final = 5000
"""So many traces are kept, the newest."""


@dataclass(slots=True, eq=False)
class MeshSpan:
    """
    One span.

    Attributes:
        parent: id of the parent, empty for a root. server: the answering sidecar's, else the caller's.
        pod: whoever reported it. called: the service that was asked, ``home``
            its namespace. peer_ip: the other end as the sidecar names it.
        start, end: Unix seconds. resends: attempts after the first.
    """

    trace: str
    span: str
    parent: str
    request: str
    server: bool = False
    pod: MeshPod | None = None
    called: str = ""
    home: str = ""
    peer_ip: str = ""
    start: float = 0.0
    end: float = 0.0
    outcome: Outcome = _FINE
    resends: int = 0


class SpanRecorder:
    """
    Records spans while requests are followed. ``share`` of the requests is traced; it may be changed at any time.

    Requests are named by their span's place in the present step, ``UNTRACED`` where there is none.
    """

    def __init__(
        self, share: float, seed: int, pods: Sequence[MeshPod], outcomes: Outcomes, homes: Mapping[str, str]
    ) -> None:
        """``homes``: the namespace of each service."""
        self.share = share
        self._homes = homes
        self._rng = np.random.default_rng([seed, 3])
        self._pods, self._outcomes = pods, outcomes
        self._open: list[MeshSpan] = []
        self._traces: OrderedDict[str, list[MeshSpan]] = OrderedDict()

    def roots(self, count: int) -> IntArray:
        """Which of ``count`` requests are traced, to be handed to ``begin``."""
        if self.share <= 0.0:
            return np.full(count, UNTRACED, dtype=np.int64)
        return np.where(self._rng.random(count) < self.share, _ROOT, UNTRACED).astype(np.int64)

    def begin(self, within: IntArray) -> IntArray:
        """A span below each of ``within``."""
        own = np.full(within.size, UNTRACED, dtype=np.int64)
        for i in np.flatnonzero(within != UNTRACED).tolist():
            above = int(within[i])
            own[i] = len(self._open)
            self._open.append(self._root() if above == _ROOT else self._child(self._open[above]))
        return own

    def sent(
        self,
        spans: IntArray,
        callers: IntArray,
        called: str,
        times: tuple[FloatArray, FloatArray],
        outcomes: IntArray,
        resends: IntArray,
    ) -> None:
        """The callers' side: these calls ran from and to ``times`` and ended so."""
        for i, span in self._recorded(spans):
            pod = self._pods[int(callers[i])]
            self._fill(span, pod, called, pod.ip, times, outcomes, i)
            span.resends = int(resends[i])

    def served(
        self,
        spans: IntArray,
        slots: IntArray,
        callers: IntArray,
        called: str,
        times: tuple[FloatArray, FloatArray],
        outcomes: IntArray,
    ) -> None:
        """The answering side."""
        for i, span in self._recorded(spans):
            caller = self._pods[int(callers[i])]
            self._fill(span, self._pods[int(slots[i])], called, caller.ip, times, outcomes, i)
            span.server = True

    def close_step(self) -> None:
        """Every request of the step was followed to its end."""
        for span in self._open:
            self._traces.setdefault(span.trace, []).append(span)
        self._open = []
        while len(self._traces) > TRACES:
            self._traces.popitem(last=False)

    def traces(self, now: float) -> Iterator[list[MeshSpan]]:
        """Traces, newest first, of the spans that have ended by ``now``."""
        for some in reversed(self._traces.values()):
            if ended := [span for span in some if span.end <= now]:
                yield ended

    def _recorded(self, spans: IntArray) -> Iterator[tuple[int, MeshSpan]]:
        for i in np.flatnonzero(spans != UNTRACED).tolist():
            yield i, self._open[int(spans[i])]

    def _fill(
        self,
        span: MeshSpan,
        pod: MeshPod,
        called: str,
        peer_ip: str,
        times: tuple[FloatArray, FloatArray],
        outcomes: IntArray,
        row: int,
    ) -> None:
        span.pod, span.called, span.home, span.peer_ip = pod, called, self._homes[called], peer_ip
        span.start, span.end = float(times[0][row]), float(times[1][row])
        span.outcome = self._outcomes.all[int(outcomes[row])]

    def _root(self) -> MeshSpan:
        return MeshSpan(self._hex(16), self._hex(8), "", str(uuid.UUID(self._hex(16))))

    def _child(self, above: MeshSpan) -> MeshSpan:
        return MeshSpan(above.trace, self._hex(8), above.span, above.request)

    def _hex(self, size: int) -> str:
        return self._rng.bytes(size).hex()
