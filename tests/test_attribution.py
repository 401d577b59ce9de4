"""What each token matters to an answer: autograd, completeness, and networks whose attribution is known."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.analysis.attribution import Attribution, input_gradients, integrated_gradients
from rnnviz.config import CELL_TYPES
from rnnviz.errors import ConfigError, TextError
from rnnviz.network import Network
from tests.oracles import (
    CASES,
    TASKS,
    gradients,
    keeps_denormals,
    make_network,
    snapshot,
    some_ids,
    task_network,
    unrolled,
    zero_input_chain,
)


def _log_probability(network: Network, vectors: torch.Tensor, answer: int) -> float:
    return -unrolled(network, [], vectors=vectors).loss(-1, answer).item()


@pytest.mark.parametrize(("task", "layers"), CASES)
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_input_gradients_agree_with_autograd(cell_type: str, task: str, layers: int) -> None:
    network, ids = task_network(cell_type, task, layers, learned_initial_state=True), some_ids()
    read = ids[:-1] if task == "language_model" else ids
    graph = unrolled(network, read)
    for position in (None, 6):
        at = len(read) - 1 if position is None else position
        answer = int(ids[at + 1]) if task == "language_model" else 1
        found = input_gradients(network, ids, list("abcdefghijkl"), "name", 1, position=position)
        expected = np.linalg.norm(gradients(graph.loss(at, answer), graph.vectors)[0], axis=1)[: at + 1]
        assert np.allclose(10.0**found.log10_norms, expected, rtol=1e-8, atol=0)
        assert (found.label, found.answer, found.tokens) == ("name", answer, tuple("abcdefghijkl"[: at + 1]))
        assert found.loss_nats == pytest.approx(graph.loss(at, answer).item(), rel=1e-10)


def test_input_gradients_go_beyond_every_float() -> None:
    """In an open ReLU chain ||dL/dx_t|| falls by w a step, whatever the words are."""
    network = zero_input_chain("rnn_relu", 0.3 * np.eye(4), bias=90.0)
    with torch.no_grad():
        network.recurrent[0]["d"].weight_ih_l0.copy_(torch.eye(4, 5))
    norms = input_gradients(network, some_ids(1402)).log10_norms
    assert np.allclose(np.diff(norms), -math.log10(np.float32(0.3)), atol=1e-9) and norms[0] < -700


def test_without_a_class_the_likeliest_is_taken() -> None:
    network, ids = make_network("gru", task="classifier"), some_ids()
    likeliest = int(network(torch.from_numpy(ids[None])).logits[0, -1].argmax())
    for measure in (input_gradients, integrated_gradients):
        assert measure(network, ids).answer == likeliest
    assert np.array_equal(
        input_gradients(network, ids).log10_norms, input_gradients(network, ids, None, "", likeliest).log10_norms
    )


def _by_hand(network: Network, ids: np.ndarray, answer: int, points: int = 12) -> np.ndarray:
    """The integral over the straight path by a Gauss-Legendre sum of autograd's gradients; (time,)."""
    vectors, total = unrolled(network, ids).vectors.detach(), 0.0
    places, weights = np.polynomial.legendre.leggauss(points)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        leaf = (vectors * place).requires_grad_()
        loss = unrolled(network, ids, vectors=leaf).loss(-1, answer)
        total = total - weight * gradients(loss, leaf)[0]
    return (vectors.numpy() * total).sum(axis=1)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_integrated_gradients_agree_with_the_integral(cell_type: str, layers: int) -> None:
    task = TASKS[CELL_TYPES.index(cell_type) % 4]
    network, ids = task_network(cell_type, task, layers, learned_initial_state=True), some_ids(6)
    found = integrated_gradients(network, ids, target=1, points=12)
    read, answer = (ids[:-1], int(ids[-1])) if task == "language_model" else (ids, 1)
    assert np.allclose(found.values, _by_hand(network, read, answer), rtol=1e-7, atol=1e-10)
    assert found.answer == answer


def _is_complete(found: Attribution, network: Network, read: np.ndarray, gap: float) -> None:
    vectors = unrolled(network, read).vectors.detach()
    ends = [_log_probability(network, v, found.answer) for v in (vectors, torch.zeros_like(vectors))]
    assert [found.log_probability, found.without] == pytest.approx(ends, abs=1e-10)
    assert found.values.sum() + found.gap == pytest.approx(ends[0] - ends[1], abs=1e-10)
    assert abs(found.gap) < gap


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_the_parts_make_up_the_difference(cell_type: str, second: bool) -> None:
    """A ReLU's and a maximum's kinks cost the integral digits; smooth cells have nearly none to lose."""
    task = TASKS[(CELL_TYPES.index(cell_type) + 2 * second + 1) % 4]
    network, ids = task_network(cell_type, task), some_ids(8)
    read = ids[:-1] if task == "language_model" else ids
    gap = 0.2 if cell_type == "rnn_relu" or task == "max" else 1e-5
    _is_complete(integrated_gradients(network, ids, target=0, points=20), network, read, gap)
    position = 4
    found = integrated_gradients(network, ids, list("abcdefgh"), "name", 0, position=position, points=20)
    assert (found.label, found.tokens) == ("name", tuple("abcde"))
    _is_complete(found, network, ids[: position + 1], gap)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), cell_type=st.sampled_from(["rnn_tanh", "lstm", "gru"]), length=st.integers(1, 9))
def test_more_points_close_the_gap(seed: int, cell_type: str, length: int) -> None:
    network, ids = make_network(cell_type, task="classifier", size=0.3, seed=seed), some_ids(length, seed)
    few, many = (abs(integrated_gradients(network, ids, points=points).gap) for points in (1, 24))
    assert many < 1e-6 and many <= few + 1e-9


def test_a_linear_network_is_exact() -> None:
    """Where the score's logit is linear in the words, each has its linear share of the difference."""
    network = make_network("rnn_relu", task="classifier", num_outputs=2, labels=("a", "b"))
    layer, ids = network.recurrent[0]["d"], some_ids()
    with torch.no_grad():
        layer.weight_hh_l0.copy_(0.8 * torch.eye(6) + 0.05)
        layer.bias_ih_l0.fill_(60.0)  # every ReLU stays open along the whole path
    found = integrated_gradients(network, ids, target=1)
    w, w_ih, head, table = (
        p.detach().double().numpy()
        for p in (layer.weight_hh_l0, layer.weight_ih_l0, network.head.weight, network.embedding.weight)
    )
    powers = [np.linalg.matrix_power(w, k) for k in range(len(ids) - 1, -1, -1)]
    linear = np.array([(head[1] - head[0]) @ power @ w_ih @ table[i] for power, i in zip(powers, ids, strict=True)])
    difference = found.log_probability - found.without
    assert np.allclose(found.values, linear / linear.sum() * difference, rtol=1e-6, atol=1e-9)
    assert np.abs(linear).min() > 0 and abs(difference) > 1e-3


@pytest.mark.parametrize("measure", [input_gradients, integrated_gradients])
def test_a_token_that_cannot_matter_has_nothing(measure) -> None:
    """Without W_hh the last state alone knows only its own word."""
    network, ids = make_network("rnn_tanh", task="classifier"), some_ids()
    with torch.no_grad():
        network.recurrent[0]["d"].weight_hh_l0.zero_()
    found = measure(network, ids)
    values = 10.0**found.log10_norms if measure is input_gradients else found.values
    assert (values[:-1] == 0).all() and values[-1] != 0


@pytest.mark.parametrize("measure", [input_gradients, integrated_gradients])
def test_tokens_that_play_the_same_part_have_the_same(measure) -> None:
    """Without W_hh and with a mean over time the order is nothing: equal words have equal values."""
    network = make_network("rnn_tanh", task="classifier", pooling="mean")
    with torch.no_grad():
        network.recurrent[0]["d"].weight_hh_l0.zero_()
    found = measure(network, np.array([3, 5, 3, 7, 5, 3]))
    values = found.log10_norms if measure is input_gradients else found.values
    assert np.ptp(values[[0, 2, 5]]) < 1e-12 and abs(values[1] - values[4]) < 1e-12
    assert abs(values[0] - values[1]) > 1e-3


def test_the_shortest_texts() -> None:
    network, words = make_network("lstm", 2), make_network("lstm", task="classifier")
    for measure in (input_gradients, integrated_gradients):
        assert len(measure(network, some_ids(2)).tokens) == len(measure(words, some_ids(1)).tokens) == 1
        with pytest.raises(TextError, match=r"^[^.]*too short[^.]*\.$"):
            measure(network, some_ids(1))
        with pytest.raises(ConfigError, match=r"^[^.]*bidirectional[^.]*\.$"):
            measure(make_network("lstm", task="classifier", bidirectional=True), some_ids())


def test_the_model_and_the_thread_are_left_alone() -> None:
    network = make_network("gru", 2, dropout=0.5).train()
    unchanged = snapshot(network)
    input_gradients(network, some_ids())
    first, second = (integrated_gradients(network, some_ids()).values for _ in range(2))
    assert np.array_equal(first, second)  # no dropout
    told = []
    integrated_gradients(network, some_ids(), progress=told.append)
    assert told == sorted(told) and len(told) > 4 and 0 < told[0] < 0.5 and told[-1] == 1
    assert unchanged() and keeps_denormals()
