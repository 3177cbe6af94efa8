"""What others do with the same counts, with their documented defaults: the yardsticks of the bench."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from observer.domain.counts import BoolArray, FloatArray

RIVALS = ("envoy success rate", "consecutive 5xx", "3 sigma", "14.4x burn, restart worst")


@dataclass
class Rivals:
    """
    Judges the increments of S services with K pods each. Every method answers who would be removed, shape (S, K).

    ``objective`` is the SLO that the burn rule defends.
    """

    services: int
    size: int
    tick: float
    objective: float = 0.999
    flags: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RIVALS, 0))

    def __post_init__(self) -> None:
        shape = (self.services, self.size)
        self._sweep = np.zeros((*shape, 2))
        self._clock = 0.0
        self._run = np.zeros(shape)
        self._mean, self._square, self._seen = np.zeros(shape), np.zeros(shape), 0
        self._random = np.random.default_rng(5)
        self._hour: deque[FloatArray] = deque(maxlen=int(3600 / self.tick))
        self._sum = np.zeros((*shape, 2))

    def judge(self, requests: FloatArray, errors: FloatArray) -> dict[str, BoolArray]:
        """One tick of increments, shapes (S, K)."""
        found = {
            RIVALS[0]: self._success_rate(requests, errors),
            RIVALS[1]: self._consecutive(requests, errors),
            RIVALS[2]: self._three_sigma(requests, errors),
            RIVALS[3]: self._burn(requests, errors),
        }
        for name, who in found.items():
            self.flags[name] += int(who.sum())
        return found

    def _success_rate(self, requests: FloatArray, errors: FloatArray) -> BoolArray:
        """Every 10 s: success rate below mean - 1.9 sigma of the hosts with 100 requests, where there are five."""
        self._sweep += np.stack([requests, errors], axis=2)
        self._clock += self.tick
        if self._clock < 10.0:
            return np.zeros(requests.shape, dtype=np.bool_)
        volume, bad = self._sweep[..., 0], self._sweep[..., 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(volume >= 100, 1.0 - bad / volume, np.nan)
        hosts = (volume >= 100).sum(axis=1, keepdims=True)
        filled = np.where(np.isnan(rate), 0.0, rate)
        mean = filled.sum(axis=1, keepdims=True) / np.maximum(hosts, 1)
        spread = np.sqrt(
            (np.where(np.isnan(rate), 0.0, rate - mean) ** 2).sum(axis=1, keepdims=True) / np.maximum(hosts, 1)
        )
        self._sweep[:], self._clock = 0.0, 0.0
        return (hosts >= 5) & (rate < mean - 1.9 * spread)

    def _consecutive(self, requests: FloatArray, errors: FloatArray) -> BoolArray:
        """Five 5xx in a row, from the number of errors in a random order of the tick's requests."""
        whole = (requests > 0) & (errors >= requests)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(requests > 0, errors / np.maximum(requests, 1), 0.0)
        # The chance that a given run of five is all errors, over the starts that the tick holds.
        chance = 1.0 - (1.0 - rate**5) ** np.maximum(requests - 4, 0)
        self._run = np.where(whole, self._run + requests, 0.0)
        return (self._random.random(requests.shape) < chance) | (self._run >= 5)

    def _three_sigma(self, requests: FloatArray, errors: FloatArray) -> BoolArray:
        """Error rate above its own mean + 3 sigma of the ticks before, after five minutes of learning."""
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(requests > 0, errors / np.maximum(requests, 1), 0.0)
        sigma = np.sqrt(np.maximum(self._square - self._mean**2, 0.0))
        out = (self._seen * self.tick >= 300.0) & (rate > self._mean + 3 * sigma) & (errors > 0)
        self._seen += 1
        weight = 1.0 / self._seen
        self._mean += weight * (rate - self._mean)
        self._square += weight * (rate**2 - self._square)
        return np.asarray(out, dtype=np.bool_)

    def _burn(self, requests: FloatArray, errors: FloatArray) -> BoolArray:
        """The service burns 14.4 times its budget over 1 h and 5 min: restart its worst pod."""
        now = np.stack([requests, errors], axis=2)
        if len(self._hour) == self._hour.maxlen:
            self._sum -= self._hour[0]
        self._hour.append(now)
        self._sum += now
        short = np.sum([*self._hour][-max(1, int(300 / self.tick)) :], axis=0)
        limit = 14.4 * (1.0 - self.objective)
        burning = (self._share(self._sum) > limit) & (self._share(short) > limit)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(short[..., 0] > 0, short[..., 1] / np.maximum(short[..., 0], 1), 0.0)
        out = np.zeros(requests.shape, dtype=np.bool_)
        rows = np.flatnonzero(burning)
        out[rows, rate[rows].argmax(axis=1)] = True
        return out

    @staticmethod
    def _share(counts: FloatArray) -> FloatArray:
        total = counts.sum(axis=1)
        return np.asarray(total[:, 1] / np.maximum(total[:, 0], 1.0))
