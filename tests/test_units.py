"""Rankings of units against arrays worked out by hand, planted units and shuffled ones."""

import numpy as np
import pytest

from rnnviz.analysis.units import Match, on_throughout, order_by_similarity, rank_by_movement, switch_at_edges

TIME, UNITS, FIRST, LAST = 200, 40, 60, 110
QUESTIONS = [on_throughout, switch_at_edges]


def _by_unit(match: Match) -> dict[int, tuple[float, int]]:
    found = zip(match.units.tolist(), match.score.round(9).tolist(), match.side.tolist(), strict=True)
    return {unit: (score, side) for unit, score, side in found}


def _columns(*columns: list[float]) -> np.ndarray:
    return np.array(columns).T


def _noise() -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.9, 0.9, (TIME, UNITS))


def test_movement_is_the_standard_deviation() -> None:
    values = _columns([0, 0, 0, 0], [1, -1, 1, -1], [0.5, 0.5, 0.5, 0.5], [0, 0, 0, 1])
    assert rank_by_movement(values).tolist() == [1, 3, 0, 2]
    spike = _columns([0, 0, 0, 0, 0, 0, 0, 0, 0, 1.0], [0.4, -0.4] * 5)
    assert rank_by_movement(spike).tolist() == [1, 0]
    assert rank_by_movement(values[:1]).tolist() == [0, 1, 2, 3]


def test_a_constant_that_floats_cannot_average_exactly_does_not_move() -> None:
    still = np.full((2000, 2), 0.1, dtype=np.float32)
    moving = still.copy()
    moving[0] += 1e-6
    assert rank_by_movement(np.hstack([still, moving])).tolist() == [2, 3, 0, 1]
    assert order_by_similarity(np.hstack([still, moving])).tolist() == [2, 3, 0, 1]


def test_alike_units_lie_side_by_side() -> None:
    rng = np.random.default_rng(0)
    sources, group = rng.standard_normal((300, 3)), rng.integers(0, 3, 60)
    values = sources[:, group] * rng.uniform(0.1, 5, 60) + 0.02 * rng.standard_normal((300, 60)) + 7
    order = order_by_similarity(values)
    assert sorted(order) == list(range(60))
    assert np.count_nonzero(np.diff(group[order])) == 2
    assert np.count_nonzero(np.diff(group)) > 20


def test_seriation_finds_a_planted_circle() -> None:
    """Sines of rising phase: their correlations are the cosines of angles, with one gap left open."""
    phase = np.linspace(0, 1.5 * np.pi, 30)
    shuffle = np.random.default_rng(2).permutation(30)
    values = np.sin(np.linspace(0, 8 * np.pi, 1000, endpoint=False)[:, None] + phase[shuffle])
    found = shuffle[order_by_similarity(values)].tolist()
    assert found in (list(range(30)), list(range(29, -1, -1)))


@pytest.mark.parametrize("time", [5, 40, 400])
def test_seriation_has_the_angles_of_a_full_eigendecomposition(time: int) -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal((time, 4)) @ rng.standard_normal((4, 90)) + 0.5 * rng.standard_normal((time, 90))
    scale, axes = np.linalg.eigh(np.corrcoef(values.T))
    angle = np.arctan2(axes[:, -2] * scale[-2] ** 0.5, axes[:, -1] * scale[-1] ** 0.5)
    circle = np.argsort(angle)
    cut = int(np.diff(angle[circle], append=angle[circle[0]] + 2 * np.pi).argmax()) + 1
    expected = np.concatenate([circle[cut:], circle[:cut]])
    expected = expected if expected[0] < expected[-1] else expected[::-1]
    assert order_by_similarity(values).tolist() == expected.tolist()


def test_units_that_never_change_come_last() -> None:
    wave = np.sin(np.arange(50))
    values = np.stack([np.full(50, 0.3), wave, np.zeros(50), -wave, 2 * wave], axis=1)
    order = order_by_similarity(values).tolist()
    assert order[3:] == [0, 2]
    assert order[:3] in ([1, 4, 3], [3, 1, 4], [4, 1, 3], [3, 4, 1])
    assert order_by_similarity(np.array([[0.5, -0.5, 0.1]])).tolist() == [0, 1, 2]
    assert order_by_similarity(values[:, :2]).tolist() == [1, 0]
    assert order_by_similarity(values[:, 2:4]).tolist() == [1, 0]


def test_on_throughout_by_hand() -> None:
    values = _columns(
        [0.1, 0.9, 0.7, 0.3],  # mean outside 0.2, margin 0.5 above
        [0.8, 0.2, 0.4, 0.6],  # mean outside 0.7, margin 0.3 below
        [0.9, 0.9, 0.9, 0.9],  # always on: no margin
        [0.5, 0.9, 0.2, 0.5],  # crosses: falls short by 0.3 on the better side, above
    )
    match = on_throughout(values, 1, 3, 0.0, 1.0)
    assert match.units.tolist() == [0, 1, 2, 3]
    assert (match.units.dtype, match.score.dtype) == (np.int64, np.float64)
    assert _by_unit(match) == {0: (0.5, 1), 1: (0.3, -1), 2: (0.0, 1), 3: (-0.3, 1)}
    assert _by_unit(on_throughout(2 * values - 1, 1, 3, -1.0, 1.0)) == _by_unit(match)


def test_the_whole_text_is_held_against_the_middle_of_the_range() -> None:
    match = on_throughout(_columns([0.1, 0.3], [-0.9, -0.5], [0.9, -0.9]), 0, 2, -1.0, 1.0)
    assert _by_unit(match) == {1: (0.25, -1), 0: (0.05, 1), 2: (-0.45, 1)}
    assert match.units.tolist() == [1, 0, 2]
    assert _by_unit(on_throughout(_columns([0.1, 0.3], [0.9, 0.7]), 0, 2, 0.0, 1.0)) == {0: (0.2, -1), 1: (0.2, 1)}


def test_switch_at_edges_by_hand() -> None:
    values = _columns(
        [0, 0.1, 0.2, 0.8, 0.9, 0.7, 0.3, 0.1, 0.2],  # up by 0.7, down by 0.6
        [0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.6, 0.6, 0.6],  # down by 0.8, up by 0.5
        [0, 0, 0, 0.4, 0.4, 0.4, 0.9, 0.9, 0.9],  # up twice, by 0.4 and 0.5
        [0.5] * 9,
    )
    match = switch_at_edges(values, 3, 6, 0.0, 1.0)
    assert match.units.tolist() == [0, 1, 3, 2]
    assert _by_unit(match) == {0: (0.6, 1), 1: (0.5, -1), 3: (0.0, 1), 2: (-0.4, 1)}
    assert not np.signbit(match.score[2])
    assert _by_unit(switch_at_edges(2 * values - 1, 3, 6, -1.0, 1.0)) == _by_unit(match)


def test_jumps_average_three_steps_at_most_and_none_beyond_the_other_edge() -> None:
    short = _columns([0.0, 0.0, 1.0, 0.0, 0.0])
    assert _by_unit(switch_at_edges(short, 2, 3, 0.0, 1.0)) == {0: (1.0, 1)}
    uneven = _columns([0.3, 0, 0, 1, 1, 0.7, 0.7, 1, 1, 0, 0, 0.3])
    assert _by_unit(switch_at_edges(uneven, 3, 9, 0.0, 1.0)) == {0: (0.8, 1)}
    once = switch_at_edges(_columns([0, 0, 0, 0, 1.0, 1.0]), 2, 4, 0.0, 1.0)
    assert once.score[0] == 0 and not np.signbit(once.score[0])
    far = _columns([1, 0, 0, 0, 0.5, 0.5, 0.5, 1, 1, 0.5, 0.5, 0.5, 0, 0, 0, 1])
    assert _by_unit(switch_at_edges(far, 4, 12, 0.0, 1.0)) == {0: (0.5, 1)}


def test_an_edge_of_the_text_does_not_count() -> None:
    values = _columns([0.9, 0.9, 0.2, 0.2], [0.1, 0.1, 0.5, 0.5], [0.3, 0.3, 0.3, 0.3])
    assert _by_unit(switch_at_edges(values, 0, 2, 0.0, 1.0)) == {0: (0.7, 1), 1: (0.4, -1), 2: (0.0, 1)}
    assert _by_unit(switch_at_edges(values, 2, 4, 0.0, 1.0)) == {0: (0.7, -1), 1: (0.4, 1), 2: (0.0, 1)}
    assert _by_unit(switch_at_edges(values, 0, 4, 0.0, 1.0)) == {0: (0.0, 1), 1: (0.0, 1), 2: (0.0, 1)}


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("ask", QUESTIONS)
def test_a_planted_unit_comes_first_and_its_shuffles_do_not(ask, side: int) -> None:
    rng = np.random.default_rng(4)
    values = _noise()
    planted = np.full(TIME, -0.6 * side)
    planted[FIRST:LAST] = 0.6 * side
    planted += rng.uniform(-0.2, 0.2, TIME)
    values[:, 17] = planted
    match = ask(values, FIRST, LAST, -1.0, 1.0)
    assert (match.units[0], match.side[0]) == (17, side)
    assert match.score[0] > 0.35 and match.score[0] > match.score[1] + 0.1
    for _ in range(5):
        values[:, 17] = rng.permutation(planted)
        shuffled = ask(values, FIRST, LAST, -1.0, 1.0)
        assert shuffled.score[shuffled.units.tolist().index(17)] < match.score[0] - 0.1


@pytest.mark.parametrize("ask", QUESTIONS)
def test_every_stretch_ranks_all_units_without_nan(ask) -> None:
    values = _noise()[:6]
    for first in range(6):
        for last in range(first + 1, 7):
            match = ask(values, first, last, -1.0, 1.0)
            assert sorted(match.units) == list(range(UNITS))
            assert np.all(np.abs(match.score) <= 1) and np.all(np.diff(match.score) <= 0)
            assert set(match.side) <= {-1, 1}


@pytest.mark.parametrize("stretch", [(-1, 2), (2, 2), (3, 2), (0, 7), (6, 7)])
@pytest.mark.parametrize("ask", QUESTIONS)
def test_impossible_stretches_are_refused(ask, stretch: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="0 <= first < last <= 6"):
        ask(_noise()[:6], *stretch, -1.0, 1.0)
    with pytest.raises(ValueError, match="low < high"):
        ask(_noise()[:6], 0, 2, 1.0, 1.0)
