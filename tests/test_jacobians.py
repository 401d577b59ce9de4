"""Jacobians between states against autograd, numpy and closed forms."""

import math

import numpy as np
import pytest
import torch

from rnnviz.analysis.gradients import guides
from rnnviz.analysis.jacobians import jacobian_norms, state_products, step_jacobian
from rnnviz.analysis.unrolled import unroll
from rnnviz.config import CELL_TYPES
from rnnviz.errors import ConfigError, TextError
from tests.oracles import (
    UNITS,
    jacobian,
    keeps_denormals,
    make_network,
    snapshot,
    some_ids,
    state_norms,
    unrolled,
    zero_input_chain,
)


def _blocks(network, matrix: np.ndarray) -> dict[str, np.ndarray]:
    """d h_T / d h_t and, for an LSTM, d c_T / d c_t, cut out of the joint Jacobian."""
    places = {name: slice(s * UNITS, (s + 1) * UNITS) for s, name in enumerate(network.cell.states)}
    return {name: matrix[place, place] for name, place in places.items()}


@pytest.mark.parametrize(("layers", "learned"), [(1, True), (2, False)])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
@torch.inference_mode()
def test_products_agree_with_autograd(cell_type: str, layers: int, learned: bool) -> None:
    network, ids = make_network(cell_type, layers, learned_initial_state=learned), some_ids()
    run = unroll(network, ids)
    for layer in {-1, 0}:
        products = {product.time: product for product in state_products(run, layer)}
        assert list(products) == list(range(len(ids) - 1, -1, -1))
        for t in (0, 1, 6, 10, 11):
            product = products[t]
            expected = _blocks(network, _exact(network, ids, t, layer))
            assert product.matrices.keys() == expected.keys()
            for name, matrix in product.matrices.items():
                assert np.allclose(matrix.numpy() * 2.0**product.exponent, expected[name], rtol=1e-8, atol=1e-8)


def _exact(network, ids: np.ndarray, time: int, layer: int = -1) -> np.ndarray:
    with torch.inference_mode(False), torch.enable_grad():
        return jacobian(unrolled(network, ids), time, layer)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_a_steps_jacobian_agrees_with_autograd(cell_type: str, layers: int) -> None:
    network, ids = make_network(cell_type, layers), some_ids()
    for time in (1, 7):
        run = unroll(network, ids[: time + 1])
        for layer in range(layers):
            found = step_jacobian(run, time, layer)
            assert found.dtype == np.float64
            assert np.allclose(found, _exact(network, ids[: time + 1], time - 1, layer), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_the_product_of_all_steps_is_the_whole_jacobian(cell_type: str) -> None:
    network, ids = make_network(cell_type), some_ids(9)
    run = unroll(network, ids)
    product = np.eye(UNITS * len(network.cell.states))
    for time in range(len(ids) - 1, 0, -1):
        product = product @ step_jacobian(run, time)
    assert np.allclose(product, _exact(network, ids, 0), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_norms_agree_with_numpy_on_autograds_matrices(cell_type: str, layers: int) -> None:
    network, ids = make_network(cell_type, layers), some_ids()
    for layer in range(layers):
        found = jacobian_norms(network, ids, list("abcdefghijkl"), "name", layer=layer)
        assert (found.label, found.cell_type, found.overflow) == ("name", cell_type, None)
        assert found.tokens == tuple("abcdefghijk")  # a language model reads all but the last
        assert list(found.log10_spectral) == list(found.log10_frobenius) == list(network.cell.states)
        for t in (0, 5, 9, 10):
            for name, matrix in _blocks(network, _exact(network, ids[:-1], t, layer)).items():
                spectral, frobenius = (
                    10.0 ** table[name][t] for table in (found.log10_spectral, found.log10_frobenius)
                )
                assert spectral == pytest.approx(np.linalg.norm(matrix, 2), rel=1e-8, abs=1e-12)
                assert frobenius == pytest.approx(np.linalg.norm(matrix), rel=1e-8, abs=1e-12)


def test_a_classifier_reads_all_and_every_leaves_steps_out() -> None:
    network, ids = make_network("lstm", task="classifier", pooling="max"), some_ids(14)
    whole, some = jacobian_norms(network, ids), jacobian_norms(network, ids, every=5)
    assert whole.tokens == tuple(str(i) for i in ids) and whole.label == "lstm"
    for name in ("hidden", "cell"):
        assert np.isfinite(whole.log10_spectral[name]).all()
        assert np.flatnonzero(~np.isnan(some.log10_spectral[name])).tolist() == [3, 8, 13]
        kept = [3, 8, 13]
        assert np.array_equal(some.log10_spectral[name][kept], whole.log10_spectral[name][kept])
        assert np.array_equal(some.log10_frobenius[name], whole.log10_frobenius[name])


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_at_the_last_step_it_is_the_identity(cell_type: str) -> None:
    found = jacobian_norms(make_network(cell_type, 2), some_ids(20))
    for name in found.log10_spectral:
        assert found.log10_spectral[name][-1] == pytest.approx(0, abs=1e-12)
        assert found.log10_frobenius[name][-1] == pytest.approx(math.log10(UNITS) / 2, abs=1e-12)


@pytest.mark.parametrize("cell_type", ["rnn_tanh", "rnn_relu", "rnn_sigmoid", "residual", "gru", "gru_textbook"])
def test_the_spectral_norm_bounds_every_gradient(cell_type: str) -> None:
    """||dL/dh_t|| is at most ||d h_T/d h_t|| ||dL/dh_T||, and at most factor^k where there is a guide."""
    network, ids = make_network(cell_type), some_ids(30)
    spectral = jacobian_norms(network, ids).log10_spectral["hidden"]
    norms = np.log10(state_norms(unrolled(network, ids[:-1]), 28, ids[-1])[0, :, 0])
    assert (norms - norms[-1] <= spectral + 1e-9).all()
    if guide := guides(network):
        assert (spectral <= math.log10(guide.factor) * np.arange(28, -1, -1) + 1e-9).all()


@pytest.mark.parametrize(
    ("cell_type", "diagonal", "slope"),
    [("rnn_tanh", 0.3, 1.0), ("rnn_tanh", 3.0, 1.0), ("rnn_sigmoid", 1e-3, 0.25), ("rnn_relu", 0.3, 1.0)],
)
def test_logarithms_go_beyond_every_float(cell_type: str, diagonal: float, slope: float) -> None:
    """W_hh of one column more: d h_T/d h_t of a chain without input is slope^k W^k, and W^k is known."""
    weights = diagonal * np.linspace(0.5, 1, 5)
    network = zero_input_chain(cell_type, np.diag(weights), bias=1.0 if cell_type == "rnn_relu" else 0.0)
    found = jacobian_norms(network, some_ids(1402), every=100)
    w = network.recurrent[0]["d"].weight_hh_l0.detach().double().numpy().diagonal()
    h, logs = np.zeros(5), []
    for _ in range(1401):
        a = w * h + (cell_type == "rnn_relu")
        h = {"rnn_tanh": np.tanh, "rnn_relu": lambda a: a, "rnn_sigmoid": lambda a: 1 / (1 + np.exp(-a))}[cell_type](a)
        logs.append(np.log10(w * {"rnn_tanh": 1 - h**2, "rnn_relu": 1.0, "rnn_sigmoid": h * (1 - h)}[cell_type]))
    by_unit = np.concatenate([[np.zeros(5)], np.cumsum(logs[:0:-1], axis=0)])[::-1]
    top = by_unit.max(axis=1)
    spectral, frobenius = found.log10_spectral["hidden"], found.log10_frobenius["hidden"]
    kept = ~np.isnan(spectral)
    assert kept.sum() == 15 and np.allclose(spectral[kept], top[kept], atol=1e-8)
    expected = top + np.log10((10.0 ** (2 * (by_unit - top[:, None]))).sum(axis=1)) / 2
    assert np.allclose(frobenius, expected, atol=1e-8)
    assert abs(spectral[0]) > 400 and np.isfinite(frobenius).all()


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_long_products_agree_with_products_of_numpy(cell_type: str) -> None:
    """Matrices far below float's range, by a product that is scaled after every step."""
    network, ids = make_network(cell_type, size=0.02), some_ids(402)
    if cell_type == "residual":
        network = make_network(cell_type, size=1.0)
    found = jacobian_norms(network, ids, every=50)
    run = unroll(network, ids[:-1])
    product, exponent = np.eye(UNITS * len(network.cell.states)), 0.0
    for time in range(400, -1, -1):
        if (400 - time) % 50 == 0:
            for name, block in _blocks(network, product).items():
                spectral = np.log10(np.linalg.norm(block, 2)) + exponent
                assert found.log10_spectral[name][time] == pytest.approx(spectral, rel=1e-9, abs=1e-8)
        product = product @ step_jacobian(run, time)
        size = np.abs(product).max()
        product, exponent = product / size, exponent + np.log10(size)


@pytest.mark.parametrize("w", [0.5, 1.0, 2.0])
def test_half_lives_are_read_off_the_frobenius_norm(w: float) -> None:
    found = jacobian_norms(zero_input_chain("rnn_tanh", w * np.eye(4)), some_ids(20), every=7)
    assert found.half_life() == pytest.approx({0.5: 1, 1.0: math.inf, 2.0: -1}[w])


def test_broken_and_dead_networks_are_shown_as_such() -> None:
    broken = jacobian_norms(zero_input_chain("rnn_tanh", np.full((3, 3), np.nan)), some_ids(8))
    assert broken.overflow == 0
    assert broken.log10_spectral["hidden"][-1] == 0 and np.isnan(broken.log10_spectral["hidden"][:-1]).all()
    overflowing = jacobian_norms(zero_input_chain("rnn_relu", 2 * np.eye(3), bias=1.0), some_ids(1102))
    assert overflowing.overflow == 1023
    assert np.isnan(overflowing.log10_spectral["hidden"][:-1]).all()  # lost, not zero
    dead = jacobian_norms(zero_input_chain("rnn_relu", np.eye(3), bias=-1.0), some_ids(8))
    assert np.isneginf(dead.log10_spectral["hidden"][:-1]).all() and dead.overflow is None
    assert np.isneginf(dead.log10_frobenius["hidden"][:-1]).all()


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_the_shortest_texts(cell_type: str) -> None:
    assert jacobian_norms(make_network(cell_type, 2), some_ids(2)).log10_spectral["hidden"].tolist() == [0.0]
    words = make_network(cell_type, task="classifier")
    assert len(jacobian_norms(words, some_ids(1)).log10_spectral["hidden"]) == 1
    assert np.isfinite(jacobian_norms(words, some_ids(2)).log10_spectral["hidden"]).all()


def test_what_has_no_jacobian_is_one_sentence() -> None:
    with pytest.raises(TextError, match=r"^[^.]*too short[^.]*\.$"):
        jacobian_norms(make_network("lstm"), some_ids(1))
    with pytest.raises(ConfigError, match=r"^[^.]*bidirectional[^.]*\.$"):
        jacobian_norms(make_network("lstm", task="classifier", bidirectional=True), some_ids(4))


def test_the_model_and_the_thread_are_left_alone() -> None:
    network = make_network("gru", 2).train()
    unchanged = snapshot(network)
    told = []
    jacobian_norms(network, some_ids(), progress=told.append)
    assert told == sorted(told) and len(told) > 5 and told[0] >= 0 and told[-1] == 1
    assert unchanged() and keeps_denormals()
