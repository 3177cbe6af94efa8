"""Two counts of bad among all: how much more likely are two rates than one?"""

from __future__ import annotations

import math


def more(bad: float, total: float, other_bad: float, other_total: float) -> float:
    """
    Nats for a higher rate in the first count than in the second; 0 when it is not higher.

    Profile likelihood of two rates against one, less half a nat per doubling of what was looked at (the price of the
    second rate). Half an event is added to the second count, so that "never seen" is not "impossible".
    """
    other_bad, other_total = other_bad + 0.5, other_total + 1.0
    if total <= 0.0 or bad <= 0.0 or bad / total <= other_bad / other_total:
        return 0.0
    gain = _fit(bad, total) + _fit(other_bad, other_total) - _fit(bad + other_bad, total + other_total)
    return max(gain - 0.5 * math.log1p(total), 0.0)


def _fit(bad: float, total: float) -> float:
    good = max(total - bad, 0.0)
    return (bad * math.log(bad / total) if bad > 0.0 else 0.0) + (good * math.log(good / total) if good > 0.0 else 0.0)
