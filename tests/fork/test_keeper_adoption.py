"""A keeper whose journal is gone meets its own positions: adopted, refused or ignored, and never doubled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from keeper.core.model.errors import ConfigError, Fault
from keeper.core.model.ladder import LayerKind
from keeper.core.model.record import CycleState
from keeper.localchain.twin import Twin
from tests.fork.keeper_scene import TWO_POOLS, USDC_PAIR, USDT_PAIR, Pair, Scene, cycle, leave, opened

pytestmark = pytest.mark.chain

PAIRS = pytest.mark.parametrize("pair", [USDC_PAIR, USDT_PAIR, TWO_POOLS], ids=lambda pair: pair.name)


def forgotten(twin: Twin, folder: Path, pair: Pair = USDC_PAIR) -> tuple[Scene, dict[int, LayerKind]]:
    """A ladder that is an hour old and whose journal is lost, and what the journal said."""
    scene = opened(twin, folder, pair)
    with scene.keeper() as keeper:
        assert cycle(keeper).state is CycleState.DONE
        known = keeper.journal.layer_tokens()
    scene.quarters(4)
    shutil.rmtree(folder / "state")
    return scene, known


@PAIRS
def test_what_is_adopted_comes_into_the_layers_it_was_in(twin: Twin, tmp_path: Path, pair: Pair) -> None:
    scene, known = forgotten(twin, tmp_path, pair)
    held, nonce = scene.live_ids(), scene.nonce
    with scene.keeper(wallet__adoption="adopt") as keeper:
        first = cycle(keeper)
        assert first.state is CycleState.HELD
        assert keeper.journal.layer_tokens() == known
        assert {position.token_id for position in first.view.ladder.positions} == held
        scene.wait(60)
        assert cycle(keeper).state is CycleState.HELD
        assert keeper.journal.verify() == ()
    assert (scene.live_ids(), scene.nonce) == (held, nonce)
    with scene.keeper(wallet__adoption="refuse") as keeper:
        assert leave(keeper).state is CycleState.DONE
    assert scene.held() == ()
    assert not any(scene.leftovers())


def test_an_adopted_ladder_is_kept_like_one_of_its_own(twin: Twin, tmp_path: Path) -> None:
    """It rests first, since nobody knows when it was placed, and moves when the price has left it."""
    scene, known = forgotten(twin, tmp_path)
    with scene.keeper(wallet__adoption="adopt") as keeper:
        shifted = []
        for _ in range(12):
            scene.quarters(1, drift=0.0025)
            record = cycle(keeper)
            shifted += [move.target.kind for move in record.decision.moves]
            assert len(scene.live_ids()) == len(known)
        assert shifted
        assert keeper.journal.verify() == ()
    assert not any(scene.leftovers())


@PAIRS
def test_what_is_refused_is_named_and_left_alone(twin: Twin, tmp_path: Path, pair: Pair) -> None:
    scene, known = forgotten(twin, tmp_path, pair)
    held = scene.held()
    with scene.keeper(wallet__adoption="refuse") as keeper:
        for _ in range(2):
            with pytest.raises(Fault) as refused:
                cycle(keeper)
            assert str(refused.value).startswith("the wallet holds positions that the journal does not know: ")
            assert all(str(token_id) in str(refused.value) for token_id in known)
            assert "wallet.adoption" in str(refused.value)
        assert keeper.journal.open_cycle() is None
    assert scene.held() == held


def test_what_is_ignored_is_neither_touched_nor_counted(twin: Twin, tmp_path: Path) -> None:
    """The keeper works with what the wallet holds beside them, here a few thousand dollars, and gives that back."""
    scene, known = forgotten(twin, tmp_path)
    idle = scene.purse()[0] / 10**6 + sum(scene.purse()[1:]) / 10**18 * scene.usd
    before = {(one.token_id, one.liquidity) for one in scene.held()}
    with scene.keeper(wallet__adoption="ignore") as keeper:
        for _ in range(2):
            record = cycle(keeper)
            scene.wait(60)
            assert not {position.token_id for position in record.view.ladder.positions} & set(known)
            assert before <= {(one.token_id, one.liquidity) for one in scene.held()}
        added = sum(scene.pair.pools[0].usd_of(*one.amounts, scene.usd) for one in scene.held() if one.token_id not in known)
        assert 0 < added < idle
        assert leave(keeper).state is CycleState.DONE
    assert {(one.token_id, one.liquidity) for one in scene.held()} == before
    assert not any(scene.leftovers())


def test_an_older_copy_of_the_journal_does_not_open_a_second_ladder(twin: Twin, tmp_path: Path) -> None:
    """A backup from before the ladder was opened: its positions are strangers to it, and its memory is old."""
    scene = opened(twin, tmp_path)
    with scene.keeper() as keeper:
        keeper.journal.pause("for the backup")
        assert cycle(keeper).state is CycleState.BLOCKED
        keeper.journal.resume()
        keeper.journal.backup(tmp_path / "backup")
        scene.wait(60)
        assert cycle(keeper).state is CycleState.DONE
        known = keeper.journal.layer_tokens()
    shutil.rmtree(tmp_path / "state")
    (tmp_path / "state").mkdir()
    shutil.copy(tmp_path / "backup", tmp_path / "state" / "journal.sqlite")
    scene.wait(3_600)
    with scene.keeper() as keeper, pytest.raises(Fault, match="does not know"):
        cycle(keeper)
    with scene.keeper(wallet__adoption="adopt") as keeper:
        assert cycle(keeper).state is CycleState.HELD
        assert keeper.journal.layer_tokens() == known
    assert len(scene.live_ids()) == len(known)


def test_two_keepers_do_not_share_a_journal(twin: Twin, tmp_path: Path) -> None:
    scene = opened(twin, tmp_path, history=False)
    with scene.keeper(), pytest.raises(ConfigError, match="another keeper"), scene.keeper():
        pass


def test_a_journal_of_another_wallet_is_not_taken_over(twin: Twin, tmp_path: Path) -> None:
    scene = opened(twin, tmp_path, history=False)
    with scene.keeper():
        pass
    settings = scene.settings()
    wallet = settings.wallet.model_copy(update={"keystore": None, "passphrase_file": None, "address": twin.accounts[4].address})
    with (
        pytest.raises(ConfigError, match=r"journal .* is of account"),
        scene.keeper(live=False, settings=settings.model_copy(update={"wallet": wallet})),
    ):
        pass
