"""The gradient of W_hh by time step, truncation and gradient norms against autograd and real training steps."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from rnnviz.analysis.weight_gradients import gradient_norms, truncation, weight_gradient
from rnnviz.config import CELL_TYPES
from rnnviz.errors import ConfigError, TextError
from rnnviz.network import Network, detach
from tests.oracles import (
    CASES,
    LENGTH,
    TASKS,
    Graph,
    error_at_state,
    gradients,
    keeps_denormals,
    make_network,
    snapshot,
    some_ids,
    task_network,
    unrolled,
    zero_input_chain,
)


def _parts(graph: Graph, position: int, answer: int, layer: int) -> np.ndarray:
    """(time up to the position, entries of W_hh), by autograd with a W_hh of its own at every step."""
    copies = graph.matrices[layer][: position + 1]
    return np.stack([g.ravel() for g in gradients(graph.loss(position, answer), *copies)])


@pytest.mark.parametrize(("task", "layers"), CASES)
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_the_parts_agree_with_a_matrix_of_its_own_at_every_step(cell_type: str, task: str, layers: int) -> None:
    network, ids = task_network(cell_type, task, layers, learned_initial_state=layers == 2), some_ids()
    read = ids[:-1] if task == "language_model" else ids
    graph = unrolled(network, read)
    for position, layer in {(None, -1), (6, 0)}:
        at = len(read) - 1 if position is None else position
        answer = ids[at + 1] if task == "language_model" else 2
        found = weight_gradient(network, ids, list("abcdefghijkl"), "name", 2, position=position, layer=layer)
        parts = _parts(graph, at, answer, layer)
        whole = parts.sum(axis=0)
        square = whole @ whole
        assert np.allclose(10.0**found.log10_norms, np.linalg.norm(parts, axis=1), rtol=1e-8, atol=1e-15)
        assert found.log10_norm == pytest.approx(math.log10(math.sqrt(square)), abs=1e-8)
        assert np.allclose(found.share, parts @ whole / square, atol=1e-8)
        assert found.share.sum() == pytest.approx(1, abs=1e-9)
        kept = parts[::-1].cumsum(axis=0)  # the last k steps' parts
        assert np.allclose(found.missing, np.linalg.norm(whole - kept, axis=1) / math.sqrt(square), atol=1e-6)
        lengths = np.linalg.norm(kept, axis=1)
        usable = lengths > 1e-12
        assert np.allclose(
            found.cosine[usable], (kept @ whole)[usable] / lengths[usable] / math.sqrt(square), atol=1e-7
        )
        assert (found.label, found.tokens) == ("name", tuple("abcdefghijkl"[: at + 1]))


@pytest.mark.parametrize(("w", "bias", "length"), [(0.3, 1.0, 1402), (4.0, 1e-30, 502)])
def test_parts_far_apart_and_large_states_stay_exact(w: float, bias: float, length: int) -> None:
    """In an open ReLU chain a part is |gradient| |h|: down to 1e-730, or with states of 1e270."""
    network, ids = zero_input_chain("rnn_relu", w * np.eye(4), bias), some_ids(length)
    found, w, bias, h = weight_gradient(network, ids), float(np.float32(w)), float(np.float32(bias)), [0.0]
    for _ in ids[1:]:
        h.append(w * h[-1] + bias)
    at_loss = np.linalg.norm(error_at_state(network, np.full(4, h[-1]), ids[-1]))
    back = np.arange(length - 2, -1, -1)
    expected = np.log10(at_loss) + back[1:] * math.log10(w) + np.log10(2 * np.array(h[1:-1]))
    assert np.allclose(found.log10_norms[1:], expected, atol=1e-8) and np.isneginf(found.log10_norms[0])
    assert found.log10_norms[1] < -720 if w < 1 else found.log10_norm > 260
    assert found.log10_norm == pytest.approx(np.log10((10.0 ** (expected - expected.max())).sum()) + expected.max())
    assert found.share.sum() == pytest.approx(1, abs=1e-9)


def test_no_gradient_has_no_shares() -> None:
    for network, ids in (
        (make_network("lstm"), some_ids(2)),
        (zero_input_chain("rnn_relu", np.eye(4), -9.0), some_ids(7)),
    ):
        found = weight_gradient(network, ids)
        assert np.isnan(found.share).all() and np.isnan(found.missing).all()
        assert np.isneginf(found.log10_norms).all() and found.log10_norm == -math.inf


def _truncated(network: Network, read: np.ndarray, answers: np.ndarray, window: int) -> list[torch.Tensor]:
    """dL/dW_hh of each layer as truncated BPTT computes it: window by window, the state carried over and detached."""
    exact = network.double()
    ids, state, outputs, total = torch.from_numpy(np.array(read)), None, [], 0.0
    for begin in range(0, len(ids), window):
        hidden, state = exact.features(ids[None, begin : begin + window], state=state)
        state = detach(state)
        outputs.append(hidden)
        if network.config.task == "language_model":
            logits = exact.head(exact.pool(hidden))[0]
            right = torch.from_numpy(np.array(answers[begin : begin + window]))
            total = total + cross_entropy(logits, right, reduction="sum") / len(ids)
    if network.config.task == "classifier":
        logits = exact.head(exact.pool(torch.cat(outputs, dim=1)))[0, -1]
        total = cross_entropy(logits, torch.tensor(int(answers[-1])))
    matrices = [layer["d"].weight_hh_l0 for layer in exact.recurrent]
    return list(torch.autograd.grad(total, matrices))


@pytest.mark.parametrize(("task", "layers"), CASES)
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_truncation_agrees_with_training_window_by_window(cell_type: str, task: str, layers: int) -> None:
    network, ids = task_network(cell_type, task, layers, learned_initial_state=layers == 2), some_ids(9)
    read, answers = (ids[:-1], ids[1:]) if task == "language_model" else (ids, np.full(len(ids), 1))
    results = [truncation(network, ids, [5, 2, 2, 99], "name", 1, layer=layer) for layer in range(layers)]
    full = _truncated(network, read, answers, len(read))
    for number, window in enumerate((2, 5)):
        cut = _truncated(network, read, answers, window)
        for layer, found in enumerate(results):
            assert (found.label, found.windows, found.steps) == ("name", (2, 5, 99), len(read))
            a, b = cut[layer].flatten(), full[layer].flatten()
            assert found.missing[number] == pytest.approx(float((a - b).norm() / b.norm()), abs=1e-9)
            assert found.cosine[number] == pytest.approx(float(a @ b / (a.norm() * b.norm())), abs=1e-9)
            assert found.ratio[number] == pytest.approx(float(a.norm() / b.norm()), abs=1e-9)


def test_a_window_as_long_as_the_text_leaves_nothing_out() -> None:
    found = truncation(make_network("gru"), some_ids(9), [1, 8, 30])
    assert found.missing[1:].tolist() == [0, 0] and np.allclose(found.cosine[1:], 1) and found.missing[0] > 0.01


def test_exploding_gradients_still_have_ratios() -> None:
    """A chain whose gradient is 1e210: its square is beyond a float."""
    network = zero_input_chain("rnn_relu", 4 * np.eye(4), bias=1e-30)
    network.head.requires_grad_(False).weight.mul_(1e-3)
    found = truncation(network, some_ids(402), [50, 401])
    assert np.isfinite(found.missing).all() and found.missing[1] == 0 and 0.9 < found.missing[0] <= 1


@pytest.mark.parametrize("windows", [[], [0], [4, -1]])
def test_windows_are_at_least_one_step(windows: list[int]) -> None:
    with pytest.raises(ValueError, match="windows: expected lengths of at least 1"):
        truncation(make_network("gru"), some_ids(9), windows)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_norms_agree_with_a_training_step(cell_type: str, task: str) -> None:
    both = task == "max"
    network = task_network(cell_type, task, learned_initial_state=True, padding_index=0, bidirectional=both)
    ids = some_ids()
    found = gradient_norms(network, ids, 2)
    exact = network.double()
    if task == "language_model":
        loss = cross_entropy(exact(torch.from_numpy(ids[None, :-1])).logits[0], torch.from_numpy(ids[1:]))
    else:
        loss = cross_entropy(exact(torch.from_numpy(ids[None])).logits[:, -1], torch.tensor([2]))
    loss.backward()
    assert found.keys() == {name for name, _ in exact.named_parameters()} | {"total"}
    for name, parameter in exact.named_parameters():
        assert found[name] == pytest.approx(float(parameter.grad.norm()), rel=1e-10)
    total = float(torch.nn.utils.clip_grad_norm_(exact.parameters(), 1e-3))
    assert found["total"] == pytest.approx(total, rel=1e-10)


def test_without_a_class_the_likeliest_is_taken() -> None:
    network, ids = make_network("gru", task="classifier"), some_ids()
    likeliest = int(network(torch.from_numpy(ids[None])).logits[0, -1].argmax())
    assert gradient_norms(network, ids) == gradient_norms(network, ids, likeliest)
    assert weight_gradient(network, ids).log10_norm == weight_gradient(network, ids, target=likeliest).log10_norm
    assert np.array_equal(truncation(network, ids, [3]).missing, truncation(network, ids, [3], "", likeliest).missing)


def test_what_has_no_gradient_is_one_sentence() -> None:
    both = make_network("lstm", task="classifier", bidirectional=True)
    for measure in (weight_gradient, lambda network, ids: truncation(network, ids, [2]), gradient_norms):
        with pytest.raises(TextError, match=r"^[^.]*too short[^.]*\.$"):
            measure(make_network("lstm"), some_ids(1))
        if measure is gradient_norms:  # it needs no direction
            continue
        with pytest.raises(ConfigError, match=r"^[^.]*bidirectional[^.]*\.$"):
            measure(both, some_ids(LENGTH))


def test_the_model_and_the_thread_are_left_alone() -> None:
    network = make_network("lstm", 2, dropout=0.5).train()
    unchanged = snapshot(network)
    weight_gradient(network, some_ids())
    truncation(network, some_ids(), [3])
    first, second = gradient_norms(network, some_ids()), gradient_norms(network, some_ids())
    assert first == second  # no dropout
    assert unchanged() and keeps_denormals()
