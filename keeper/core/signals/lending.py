"""How short of liquidity the lending market is: borrowers who are sold out there sell in the pool."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.core.model.bar import DAY_S, HOUR_S, Reserve, Sample
from keeper.core.model.policy import Policy
from keeper.core.model.view import Quality
from keeper.core.quant.markets import distance_to_kink, quick_ratio, utilisation
from keeper.core.signals import names
from keeper.core.signals.instrument import Instrument, Measure, Measures, Moment, Way, missing, stale

RAY = 10**27
_RATIO, _KINK, _RATE = "available over debt", "fraction of the optimum", "per hour"


@dataclass(frozen=True, slots=True)
class _Seen:
    at_s: int
    ratio: float


class Lending(Instrument):
    """The tightest reserve decides; each reserve is told beside it.

    Args:
        policy: names the reserves.
    """

    def __init__(self, policy: Policy) -> None:
        self._symbols = {token.address: token.symbol for token in policy.outside.lending}
        self._stale_after_s = policy.signals.stale_after_s + policy.outside.sample_every_s
        self._sample: Sample | None = None
        self._ratios: deque[_Seen] = deque()
        self._liquidations: deque[tuple[int, float]] = deque()
        self._found: Measures | None = None

    def sample(self, sample: Sample) -> None:
        """Keep the reserves, the tightest ratio of the last day, and the liquidations of the last hour."""
        before, self._sample, self._found = self._sample, sample, None
        if sample.reserves:
            self._ratios.append(_Seen(sample.timestamp_s, min(_quick(reserve) for reserve in sample.reserves)))
        while len(self._ratios) > 1 and self._ratios[1].at_s <= sample.timestamp_s - DAY_S:
            self._ratios.popleft()
        if sample.liquidations is not None and before is not None:
            # after a restart the logs reach back over what an earlier sample has counted: only the part since then is new
            looked_at = sample.block - sample.liquidations.since_block + 1
            new = min((sample.block - before.block) / looked_at, 1.0) if looked_at > 0 else 1.0
            self._liquidations.append((sample.timestamp_s, sample.liquidations.count * new))
        while self._liquidations and self._liquidations[0][0] <= sample.timestamp_s - HOUR_S:
            self._liquidations.popleft()

    def ways(self) -> Mapping[str, Way]:
        """All together; each reserve is told once it was read."""
        reserves = () if self._sample is None else self._sample.reserves
        return dict.fromkeys((*(name for name, _ in _UNITS), *self._told(reserves)), self.measures)

    def measures(self, moment: Moment, _before: Measures, /) -> Measures:
        """Quick ratio and its change over a day, distance to the kink, liquidations."""
        sample = self._sample
        if not self._symbols or sample is None or not sample.reserves:
            why = "no lending market is configured: outside.lending" if not self._symbols else "no reserve could be read"
            return {name: missing(unit, moment.now_s, "aave v3", why) for name, unit in _UNITS}
        if self._found is None:
            self._found = self._measured(sample)
        age_s = moment.now_s - sample.timestamp_s
        return self._found if age_s <= self._stale_after_s else stale(self._found, f"sampled {age_s} s ago")

    def _measured(self, sample: Sample) -> Measures:
        ratio = min(_quick(reserve) for reserve in sample.reserves)
        kinks = [_kink(reserve) for reserve in sample.reserves]
        known = [kink for kink in kinks if kink is not None]
        return {
            names.QUICK_RATIO: _measure(sample, ratio, _RATIO),
            names.QUICK_RATIO_CHANGE: self._change(sample, ratio),
            names.KINK_DISTANCE: _measure(sample, min(known), _KINK)
            if known
            else missing(_KINK, sample.timestamp_s, "aave v3", "the market does not tell its kink"),
            names.LIQUIDATIONS: _measure(sample, sum(count for _, count in self._liquidations), _RATE)
            if self._liquidations
            else missing(_RATE, sample.timestamp_s, "aave v3", "not known over the last hour: no logs, or no earlier sample"),
            **{name: _measure(sample, _quick(one), _RATIO) for name, one in self._told(sample.reserves).items()},
        }

    def _told(self, reserves: Sequence[Reserve]) -> dict[str, Reserve]:
        """Those of the configured tokens, by the names of their readings."""
        return {
            names.of_reserve(names.QUICK_RATIO, self._symbols[reserve.asset]): reserve
            for reserve in reserves
            if reserve.asset in self._symbols
        }

    def _change(self, sample: Sample, ratio: float) -> Measure:
        first = self._ratios[0]
        elapsed_s = sample.timestamp_s - first.at_s
        note = "" if elapsed_s >= 0.9 * DAY_S else f"over {elapsed_s} s: there is no day of samples yet"
        return _measure(sample, ratio - first.ratio, f"{_RATIO}, over 24 h", note)


_UNITS = (
    (names.QUICK_RATIO, _RATIO),
    (names.QUICK_RATIO_CHANGE, f"{_RATIO}, over 24 h"),
    (names.KINK_DISTANCE, _KINK),
    (names.LIQUIDATIONS, _RATE),
)


def _measure(sample: Sample, value: float, unit: str, note: str = "") -> Measure:
    quality = Quality.SHORT if note else Quality.GOOD
    return Measure(value=value, unit=unit, as_of_s=sample.timestamp_s, source="aave v3", quality=quality, note=note)


def _quick(reserve: Reserve) -> float:
    return quick_ratio(available=float(reserve.available), debt=float(reserve.debt))


def _kink(reserve: Reserve) -> float | None:
    if not reserve.kink_ray:
        return None
    used = utilisation(available=float(reserve.available), debt=float(reserve.debt))
    return distance_to_kink(used=used, optimal=min(reserve.kink_ray / RAY, 1.0))
