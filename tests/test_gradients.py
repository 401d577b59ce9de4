"""Gradients by time step against finite differences, autograd, closed forms and bounds."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.analysis.gradients import GradientDecay, gradient_decay, gradient_triangle, guides
from rnnviz.analysis.losses import losses
from rnnviz.analysis.unrolled import no_denormals, pull_back, unroll
from rnnviz.config import CELL_TYPES, POOLINGS
from rnnviz.errors import ConfigError, TextError
from tests.oracles import (
    UNITS,
    error_at_state,
    gradients,
    keeps_denormals,
    make_network,
    snapshot,
    some_ids,
    state_norms,
    unrolled,
    zero_input_chain,
)

PLAIN = ("rnn_tanh", "rnn_relu", "rnn_sigmoid", "residual")


def _norms(decay: GradientDecay) -> np.ndarray:
    """(state, time, layer), as numbers."""
    return 10.0 ** np.stack(list(decay.log10_norms.values()))


def _decay_of(norms: list[float]) -> GradientDecay:
    """A result by hand: norms by steps back."""
    with np.errstate(divide="ignore"):
        table = np.log10(np.array(norms, dtype=np.float64))[::-1, None]
    return GradientDecay("x", "rnn_tanh", {"hidden": table}, None, 0.0, ("a",) * len(norms), None, "float64")


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_norms_agree_with_finite_differences(cell_type: str, layers: int) -> None:
    network, ids, step = make_network(cell_type, layers), some_ids(), 1e-5
    norms = _norms(gradient_decay(network, ids))
    places = [(layer, t, s) for layer in range(layers) for t in (0, 7) for s in range(len(norms))]
    with torch.no_grad():
        for layer, t, s in places:
            slopes = []
            for nudge in step * torch.eye(UNITS, dtype=torch.float64):
                up, down = (unrolled(network, ids[:-1], {(layer, t, s): way * nudge}) for way in (1, -1))
                slopes.append(float(up.loss(-1, ids[-1]) - down.loss(-1, ids[-1])) / (2 * step))
            assert norms[s, t, layer] == pytest.approx(np.linalg.norm(slopes), rel=1e-5, abs=1e-9), (layer, t, s)


@pytest.mark.parametrize(("layers", "learned"), [(1, False), (2, True)])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_norms_agree_with_autograd(cell_type: str, layers: int, learned: bool) -> None:
    network, ids = make_network(cell_type, layers, learned_initial_state=learned), some_ids()
    graph = unrolled(network, ids[:-1])
    for position in (None, 6, 0):
        decay = gradient_decay(network, ids, list("abcdefghijk"), "name", position=position)
        at = len(ids) - 2 if position is None else position
        assert np.allclose(_norms(decay), state_norms(graph, at, ids[at + 1]), rtol=1e-8, atol=0)
        assert decay.loss_nats == pytest.approx(graph.loss(at, ids[at + 1]).item(), rel=1e-10)
        assert decay.tokens == tuple("abcdefghijk"[: at + 1])
        assert (decay.label, decay.cell_type, decay.overflow) == ("name", cell_type, None)


@pytest.mark.parametrize(("pooling", "layers"), [("last", 1), ("mean", 2), ("max", 1), ("max", 2), ("all", 2)])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_a_classifiers_norms_agree_with_autograd(cell_type: str, layers: int, pooling: str) -> None:
    more = {"dense_size": 7, "pair_buckets": 16, "pair_size": 2} if pooling == "all" else {}
    network = make_network(cell_type, layers, task="classifier", pooling=pooling, learned_initial_state=True, **more)
    ids = some_ids()
    graph = unrolled(network, ids)
    for position in (None, 7):
        at = len(ids) - 1 if position is None else position
        decay = gradient_decay(network, ids, target=2, position=position)
        assert np.allclose(_norms(decay), state_norms(graph, at, 2), rtol=1e-8, atol=0)
    likeliest = int(graph.logits[-1].argmax())
    expected = state_norms(graph, len(ids) - 1, likeliest)
    assert np.allclose(_norms(gradient_decay(network, ids)), expected, rtol=1e-8, atol=0)


@pytest.mark.parametrize("pooling", ["task", *POOLINGS])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_the_triangle_holds_every_loss_against_every_state(cell_type: str, pooling: str) -> None:
    shape = {} if pooling == "task" else {"task": "classifier", "pooling": pooling}
    network, ids = make_network(cell_type, 2, **shape), some_ids(11)
    read, answers = (ids[:-1], ids[1:]) if pooling == "task" else (ids, np.full(len(ids), 1))
    graph = unrolled(network, read)
    for layer in (-1, 0):
        found = gradient_triangle(network, ids, target=1, layer=layer)
        table = np.stack(list(found.log10_norms.values()))
        assert table.shape[1:] == (len(read), len(read))
        assert found.positions.tolist() == list(range(len(read)))
        for at in (0, 1, 5, len(read) - 1):
            expected = state_norms(graph, at, answers[at])[:, :, layer]
            assert np.allclose(10.0 ** table[:, at, : at + 1], expected, rtol=1e-8, atol=0)
            assert np.isnan(table[:, at, at + 1 :]).all()
            assert found.loss_nats[at] == pytest.approx(graph.loss(at, answers[at]).item(), rel=1e-10)


def test_a_row_of_the_triangle_is_the_decay_at_its_position() -> None:
    network, ids = make_network("lstm", 2), some_ids(30)
    whole = gradient_triangle(network, ids, list("abcdefghijklmnopqrstuvwxyzABC"), "name")
    some = gradient_triangle(network, ids, every=6)
    assert some.positions.tolist() == [4, 10, 16, 22, 28]
    assert (whole.label, len(whole.tokens), some.label, some.tokens[0]) == ("name", 29, "lstm", str(ids[0]))
    for name, table in some.log10_norms.items():
        assert np.allclose(table, whole.log10_norms[name][some.positions], atol=1e-12, equal_nan=True)
        for row, at in zip(table, some.positions, strict=True):
            expected = gradient_decay(network, ids, position=int(at)).log10_norms[name][:, -1]
            assert np.allclose(row[: at + 1], expected, atol=1e-10, rtol=0)


def test_rows_that_join_late_keep_their_own_power_of_two() -> None:
    """Where old rows have long left the range of a float, new ones begin near 1."""
    network = zero_input_chain("rnn_tanh", 1e-3 * np.eye(5))
    table = gradient_triangle(network, some_ids(302), every=100).log10_norms["hidden"]
    at_loss = np.array([table[row, 100 * row] for row in range(4)])
    steps_back = 100 * np.arange(4)[:, None] - np.arange(301)
    expected = at_loss[:, None] + np.log10(np.float32(1e-3)) * steps_back
    assert np.allclose(table, np.where(steps_back >= 0, expected, np.nan), atol=1e-9, equal_nan=True)
    assert table[3, 0] < -890


def test_half_lives_are_read_off_the_line() -> None:
    assert _decay_of([8, 4, 2, 1]).half_life() == pytest.approx(1)
    assert _decay_of([1, 2, 4, 8]).half_life() == pytest.approx(-1)
    assert _decay_of([3, 3, 3]).half_life() == math.inf
    assert _decay_of([8, 0, 2, np.inf, 0.5]).half_life() == pytest.approx(1)
    assert math.isnan(_decay_of([1]).half_life()) and math.isnan(_decay_of([1, 0, 0]).half_life())
    assert _decay_of([8, 5, 4, 7]).first_half() == 2 and _decay_of([8, 5]).first_half() is None
    assert _decay_of([8, 4, 0, 0]).zero_from() == 2 and _decay_of([8, 0, 4, 2]).zero_from() is None
    assert _decay_of([0, 0]).zero_from() == 0 and _decay_of([4]).zero_from() is None
    assert _decay_of([8, np.inf, np.nan]).lost_from() == 1 and _decay_of([8, np.nan]).lost_from() == 1
    assert _decay_of([8, 0]).lost_from() is None


@pytest.mark.parametrize("w", [0.5, 0.875, 1.0, 1.125, 2.0])
def test_a_linear_chain_decays_as_w_to_the_k(w: float) -> None:
    """With W_hh = w I, no input and a ReLU kept open by its bias, the gradient is w^k exactly."""
    decay = gradient_decay(zero_input_chain("rnn_relu", w * np.eye(8), bias=1.0), some_ids(30))
    back = decay.back()
    assert np.allclose(back - back[0], np.arange(29) * math.log10(w), atol=1e-12)
    assert decay.half_life() == pytest.approx(math.inf if w == 1 else -1 / math.log2(w), rel=1e-9)
    assert decay.first_half() == (math.ceil(-1 / math.log2(w) - 1e-9) if w < 1 else None)


@settings(max_examples=25, deadline=None)
@given(
    cell_type=st.sampled_from(PLAIN),
    seed=st.integers(0, 10**6),
    size=st.floats(0.01, 2.0),
    task=st.sampled_from(["language_model", "classifier"]),
)
def test_the_factor_bounds_every_step(cell_type: str, seed: int, size: float, task: str) -> None:
    network, ids = make_network(cell_type, size=size, seed=seed, task=task), some_ids(16, seed)
    decay, guide = gradient_decay(network, ids), guides(network)
    back = decay.back()
    assert (back <= back[0] + np.arange(len(back)) * math.log10(guide.factor) + 1e-9).all()
    matrix = network.recurrent[0]["d"].weight_hh_l0.detach().double().numpy()
    singular = np.linalg.norm(matrix, 2)
    assert guide.singular_value == pytest.approx(singular, rel=1e-9)
    slope = 0.25 if cell_type == "rnn_sigmoid" else 1.0
    assert guide.factor == pytest.approx(slope * singular + (cell_type == "residual"), rel=1e-9)
    step = matrix + np.eye(UNITS) * (cell_type == "residual")
    assert guide.spectral_radius == pytest.approx(np.abs(np.linalg.eigvals(step)).max(), rel=1e-6)


@pytest.mark.parametrize("cell_type", ["rnn_tanh", "residual"])
def test_without_input_the_gradient_goes_as_the_spectral_radius(cell_type: str) -> None:
    matrix = np.random.default_rng(3).standard_normal((5, 5)) * 0.3
    matrix = (matrix + matrix.T) / 2
    network = zero_input_chain(cell_type, matrix)
    back = gradient_decay(network, some_ids(400)).back()
    assert back[-1] - back[-101] == pytest.approx(100 * math.log10(guides(network).spectral_radius), rel=1e-6)


def test_gated_cells_and_broken_weights_have_no_guides() -> None:
    assert all(guides(make_network(cell)) is None for cell in ("lstm", "gru", "gru_textbook"))
    assert guides(zero_input_chain("rnn_tanh", np.full((3, 3), np.nan))) is None


@pytest.mark.parametrize("position", [None, 6])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell_type", ["lstm", "gru", "gru_textbook", "residual"])
def test_the_direct_path_is_the_product_of_the_gates_that_keep(cell_type: str, layers: int, position: int) -> None:
    network, ids = make_network(cell_type, layers), some_ids(20)
    at = len(ids) - 2 if position is None else position
    graph = unrolled(network, ids[:-1])
    vector = gradients(graph.loss(at, ids[at + 1]), graph.states[-1][at][-1])[0]
    kept = _gates_that_keep(graph, cell_type)
    expected = [np.linalg.norm(vector * kept[t + 1 : at + 1].prod(axis=0)) for t in range(at + 1)]
    assert np.allclose(10.0 ** gradient_decay(network, ids, position=position).direct, expected, rtol=1e-10, atol=0)


def _gates_that_keep(graph, cell_type: str) -> np.ndarray:
    """The top layer's forget (LSTM) or update (GRU) gates, both in the second block; (time, unit)."""
    hidden = torch.stack([states[0] for states in graph.states[-1]])
    if cell_type == "residual":
        return np.ones(hidden.shape)
    inputs = torch.stack([states[0] for states in graph.states[-2]]) if graph.config.num_layers > 1 else graph.vectors
    (w_ih, b_ih, b), before = graph.parts[-1], torch.cat([torch.zeros_like(hidden[:1]), hidden[:-1]])
    second = (inputs @ w_ih.T + b_ih + before @ graph.matrices[-1][0].T + b)[:, UNITS : 2 * UNITS]
    return torch.sigmoid(second).detach().numpy()


def test_what_has_no_direct_path_says_so() -> None:
    ids = some_ids()
    assert all(gradient_decay(make_network(cell), ids).direct is None for cell in PLAIN[:3])
    pooled = make_network("lstm", task="classifier", pooling="mean")
    assert gradient_decay(pooled, ids).direct is None


@pytest.mark.parametrize(
    ("cell_type", "diagonal", "least", "most"),
    [("rnn_tanh", 0.3, -800, -700), ("rnn_sigmoid", 1.0, -960, -800), ("rnn_tanh", 2.5, 500, 600)],
)
def test_logarithms_go_beyond_every_float(cell_type: str, diagonal: float, least: float, most: float) -> None:
    """For a diagonal W_hh each unit's logarithm is a plain sum."""
    weights = diagonal * np.linspace(0.9, 1, 5)
    network = zero_input_chain(cell_type, np.diag(weights))
    decay = gradient_decay(network, some_ids(1402))
    w = network.recurrent[0]["d"].weight_hh_l0.detach().double().numpy().diagonal()
    h, logs = np.zeros(5), []
    for _ in range(1401):
        h = 1 / (1 + np.exp(-w * h)) if cell_type == "rnn_sigmoid" else np.tanh(w * h)
        logs.append(np.log10(w * (h * (1 - h) if cell_type == "rnn_sigmoid" else 1 - h**2)))
    at_loss = error_at_state(network, h, some_ids(1402)[-1])
    by_unit = np.log10(np.abs(at_loss)) + np.concatenate([[np.zeros(5)], np.cumsum(logs[:0:-1], axis=0)])
    top = by_unit.max(axis=1)
    expected = top + np.log10(np.sqrt((10.0 ** (2 * (by_unit - top[:, None]))).sum(axis=1)))
    assert np.allclose(decay.back(), expected, rtol=1e-9, atol=1e-9)
    assert least < decay.back()[-1] < most
    assert (decay.zero_from(), decay.lost_from(), decay.overflow) == (None, None, None)


def test_one_layer_may_vanish_long_before_another() -> None:
    network = make_network("rnn_tanh", 2, size=0.3)
    with torch.no_grad():
        for layer, w in ((0, 0.99), (1, 0.02)):
            module = network.recurrent[layer]["d"]
            module.weight_hh_l0.copy_(w * torch.eye(UNITS))
            module.bias_ih_l0.zero_(), module.bias_hh_l0.zero_(), module.weight_ih_l0.mul_(0.1)
    ids = some_ids(402)
    table = gradient_decay(network, ids).log10_norms["hidden"]
    run = unrolled(network, ids[:-1])
    logs = np.stack([np.log10(0.02 * (1 - states[0].detach().numpy() ** 2)) for states in run.states[1]])
    logs += np.log10(np.float32(0.02) / 0.02)
    at_loss = np.log10(np.abs(error_at_state(network, run.states[1][-1][0].detach().numpy(), ids[-1])))
    by_unit = at_loss + np.concatenate([[np.zeros(UNITS)], np.cumsum(logs[:0:-1], axis=0)])
    top = by_unit.max(axis=1)
    expected = top + np.log10(np.sqrt((10.0 ** (2 * (by_unit - top[:, None]))).sum(axis=1)))
    assert np.allclose(table[::-1, 1], expected, atol=1e-7)
    assert table[0, 1] < -600 and table[0, 0] > -20
    for layer in (0, 1):
        assert np.allclose(_last_row(network, ids, layer=layer), table[:, layer], atol=1e-9)
    assert np.allclose(10.0 ** table[:, 0], state_norms(run, 400, ids[-1])[0, :, 0], rtol=1e-8, atol=0)


def _last_row(network, ids: np.ndarray, **options: int) -> np.ndarray:
    """The triangle's row of the last loss, which goes back by another way than a single gradient."""
    return gradient_triangle(network, ids, every=len(ids), **options).log10_norms["hidden"][0]


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_pooled_losses_keep_their_range_too(pooling: str) -> None:
    """Without input all states are zero and one step is the matrix 1.7 I."""
    network = zero_input_chain("residual", 0.7 * np.eye(5), task="classifier", pooling=pooling)
    back = gradient_decay(network, some_ids(1402), target=0).back()
    growth = math.log10(1 + np.float32(0.7))
    expected = growth * np.arange(1402)  # max: the last of equals holds the maximum
    if pooling == "mean":
        expected = expected + np.log10(np.cumsum(10.0**-expected))
    assert np.allclose(back - back[0], expected, atol=1e-9)
    assert back[-1] > 308 and np.isfinite(back).all()


def test_what_enters_late_is_not_lost_beside_what_has_vanished() -> None:
    """Max pooling: one unit is largest at the first step, all others at the last, 700 steps of 1/100 away."""
    network = zero_input_chain(
        "rnn_tanh", 0.01 * np.eye(4), task="classifier", pooling="max", learned_initial_state=True
    )
    with torch.no_grad():
        network.initial_state.fill_(-0.5)[..., 0] = 0.5
    norms = gradient_decay(network, some_ids(700), target=0).log10_norms["hidden"][:, 0]
    first = math.tanh(float(np.float32(0.01)) * 0.5)
    at_loss = error_at_state(network, np.array([first, 0, 0, 0]), 0)
    assert norms[0] == pytest.approx(np.log10(abs(at_loss[0])), abs=1e-9)
    assert norms[1] == pytest.approx(np.log10(np.linalg.norm(at_loss[1:])) - 2 * 698, abs=1e-3)
    assert np.allclose(_last_row(network, some_ids(700), target=0), norms, atol=1e-9)


@pytest.mark.parametrize(("precision", "smallest"), [("float32", 2.0**-126), ("float16", 2.0**-24)])
def test_small_gradients_underflow_to_zero_as_in_training(precision: str, smallest: float) -> None:
    network = zero_input_chain("rnn_tanh", 0.5 * np.eye(5))
    decay = gradient_decay(network, some_ids(300), precision=precision)
    zero = decay.zero_from()
    assert decay.precision == precision and decay.lost_from() is None
    assert np.allclose(decay.back()[1:zero] - decay.back()[: zero - 1], -math.log10(2), atol=0.3)
    assert math.log10(smallest) - 0.31 <= decay.back()[zero - 1] < math.log10(smallest) + 1
    assert np.isneginf(decay.back()[zero:]).all() and np.isfinite(decay.back()[:zero]).all()
    assert np.isfinite(decay.half_life()) and gradient_decay(network, some_ids(300)).zero_from() is None


@pytest.mark.parametrize(("precision", "largest"), [("float16", 65504), ("float32", 3.4028e38), ("float64", 1.797e308)])
def test_a_state_that_overflows_is_named(precision: str, largest: float) -> None:
    """h_t = 2 h_{t-1} + 1 is 2^(t+1) - 1 after step t."""
    network = zero_input_chain("rnn_relu", 2 * np.eye(5), bias=1.0)
    with torch.no_grad():
        network.head.weight.mul_(1e-3)  # the logits stay within the range a little longer
    decay = gradient_decay(network, some_ids(1100), precision=precision)
    assert decay.overflow == next(t for t in range(1100) if 2.0 ** min(t + 1, 1023) - 1 > largest or t >= 1023)
    assert decay.lost_from() == 0 and math.isnan(decay.half_life())
    before = gradient_decay(network, some_ids(1100), precision=precision, position=decay.overflow - 1)
    assert before.overflow is None and before.lost_from() is None


def test_a_gradient_that_overflows_is_named() -> None:
    network = zero_input_chain("rnn_tanh", 8 * np.eye(5))
    exact, short = (gradient_decay(network, some_ids(402), precision=p) for p in ("float64", "float32"))
    lost = short.lost_from()
    assert short.overflow is None and exact.lost_from() is None
    assert exact.back()[lost] > math.log10(3.4e38) - 1 and exact.back()[lost - 1] < math.log10(3.5e38) + 0.5
    assert np.allclose(short.back()[:lost], exact.back()[:lost], atol=1e-3)
    assert np.isposinf(short.back()[lost])
    assert short.half_life() == pytest.approx(-1 / 3, rel=1e-3)


def test_weights_that_are_no_numbers_are_shown_as_such() -> None:
    decay = gradient_decay(zero_input_chain("rnn_tanh", np.full((3, 3), np.nan)), some_ids(8))
    assert decay.lost_from() == 0 and decay.overflow == 0 and decay.zero_from() is None


def test_a_dead_network_has_a_gradient_of_zero() -> None:
    network = zero_input_chain("rnn_relu", np.eye(5), bias=-100.0)
    decay = gradient_decay(network, some_ids(9))
    assert np.isfinite(decay.back()[0]) and np.isneginf(decay.back()[1:]).all()
    assert decay.zero_from() == 1 and math.isnan(decay.half_life()) and decay.first_half() == 1
    with torch.no_grad():
        network.head.weight.zero_()
    assert gradient_decay(network, some_ids(9)).zero_from() == 0


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_the_shortest_texts(cell_type: str) -> None:
    network, words = make_network(cell_type, 2), make_network(cell_type, task="classifier")
    decay = gradient_decay(network, some_ids(2))
    assert decay.log10_norms["hidden"].shape == (1, 2) and math.isnan(decay.half_life())
    assert gradient_decay(words, some_ids(1)).log10_norms["hidden"].shape == (1, 1)
    assert gradient_decay(words, some_ids(2)).log10_norms["hidden"].shape == (2, 1)
    assert gradient_triangle(network, some_ids(2)).log10_norms["hidden"].shape == (1, 1)
    assert gradient_decay(network, some_ids(5), position=99).tokens == gradient_decay(network, some_ids(5)).tokens


def test_what_has_no_gradient_is_one_sentence() -> None:
    both = make_network("lstm", task="classifier", bidirectional=True)
    for measure in (gradient_decay, gradient_triangle):
        with pytest.raises(TextError, match=r"^[^.]*too short[^.]*\.$"):
            measure(make_network("lstm"), some_ids(1))
        with pytest.raises(TextError, match="at least one word"):
            measure(make_network("lstm", task="classifier"), some_ids(0))
        with pytest.raises(ConfigError, match=r"^[^.]*bidirectional[^.]*\.$"):
            measure(both, np.array([2, 3]))


@pytest.mark.parametrize("precision", ["float64", "float32", "float16"])
def test_the_model_and_the_thread_are_left_alone(precision: str) -> None:
    network = make_network("lstm", 2).requires_grad_(False).train()
    unchanged = snapshot(network)
    gradient_decay(network, some_ids(), precision=precision)
    told = []
    gradient_triangle(network, some_ids(), progress=told.append)
    assert told == sorted(told) and len(told) > 5 and told[0] >= 0 and told[-1] == 1
    guides(make_network("rnn_tanh"))
    assert unchanged() and keeps_denormals()
    with no_denormals():
        assert not keeps_denormals()
    assert keeps_denormals()


@torch.inference_mode()
def test_every_number_of_a_pass_is_stored_in_its_precision() -> None:
    for cell_type in CELL_TYPES:
        run = unroll(make_network(cell_type, 2), some_ids(), "float16")
        (step, *_) = pull_back(run, losses(run, some_ids(), [len(run.ids) - 1]).inject())
        kept = [part for layer in run.layers for part in (*layer.after, *layer.slopes.values())]
        assert {part.dtype for part in (*kept, run.logits, *step.layers[0].total)} == {torch.float16}
