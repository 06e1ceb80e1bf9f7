from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.tx.fees import FeeLimits, Fees, first_fees, raised_fees
from keeper.core.model.view import Gas

wei = st.integers(min_value=0, max_value=10**13)
gases = st.builds(Gas, base_fee_wei=wei, tip_wei=wei)
limits = st.builds(FeeLimits, max_fee_wei=wei, max_tip_wei=wei)
offers = st.tuples(wei, wei).map(lambda two: Fees(max_fee_wei=max(two), tip_wei=min(two)))


@given(gases, limits)
def test_a_first_offer_pays_the_next_block_and_passes_no_ceiling(gas: Gas, limit: FeeLimits) -> None:
    fees = first_fees(gas, limit)
    assert (fees is None) == (gas.base_fee_wei > limit.max_fee_wei)
    if fees:
        assert gas.base_fee_wei + fees.tip_wei <= fees.max_fee_wei <= limit.max_fee_wei
        assert fees.tip_wei <= min(gas.tip_wei, limit.max_tip_wei)


@given(gases)
def test_without_ceilings_six_full_blocks_do_not_outgrow_a_first_offer(gas: Gas) -> None:
    fees = first_fees(gas, FeeLimits(max_fee_wei=10**20, max_tip_wei=10**20))
    assert fees == Fees(max_fee_wei=2 * gas.base_fee_wei + gas.tip_wei, tip_wei=gas.tip_wei)
    grown = gas.base_fee_wei
    for _ in range(5):
        grown += grown // 8
    assert grown <= fees.max_fee_wei


@given(offers, gases, limits)
def test_a_raised_offer_replaces_everywhere_or_is_none(last: Fees, gas: Gas, limit: FeeLimits) -> None:
    fees = raised_fees(last, gas, limit)
    if fees is None:
        assert 8 * limit.max_fee_wei < 9 * last.max_fee_wei + 8 or 8 * limit.max_tip_wei < 9 * last.tip_wei + 8
        return
    for after, before in ((fees.max_fee_wei, last.max_fee_wei), (fees.tip_wei, last.tip_wei)):
        assert after > before
        assert 8 * after >= 9 * before
    assert fees.tip_wei <= fees.max_fee_wei <= limit.max_fee_wei
    assert fees.tip_wei <= limit.max_tip_wei


def test_a_raise_follows_a_market_that_ran_away() -> None:
    limit = FeeLimits(max_fee_wei=10**12, max_tip_wei=10**10)
    last = Fees(max_fee_wei=10**9, tip_wei=10**8)
    raised = raised_fees(last, Gas(base_fee_wei=10**10, tip_wei=10**9), limit)
    assert raised == Fees(max_fee_wei=21 * 10**9, tip_wei=10**9)


def test_a_tip_of_nothing_is_raised_too() -> None:
    limit = FeeLimits(max_fee_wei=100, max_tip_wei=100)
    assert raised_fees(Fees(max_fee_wei=8, tip_wei=0), Gas(base_fee_wei=1, tip_wei=0), limit) == Fees(max_fee_wei=9, tip_wei=1)
