"""Gradient decay against finite differences and closed forms."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from rnnviz.analysis.gradients import gradient_decay
from rnnviz.cells import Weights
from rnnviz.config import CELL_TYPES
from rnnviz.errors import ConfigError, TextError
from tests.conftest import tiny_classifier, tiny_language_model

TEXT = "the lazy dog"


def _loss_when_nudged(network, ids: torch.Tensor, place: tuple[int, int, int], nudge: torch.Tensor) -> float:
    """The loss of guessing the last id, one state at (layer, time, state) moved by `nudge`."""
    x = network.embedding(ids[:-1])
    for layer in range(network.config.num_layers):
        weights = Weights.of(network.recurrent[layer]["d"])
        state, kept = tuple(s[0] for s in network.start(1, layer)), []
        for t, projected in enumerate(weights.project(x)):
            state, gates = network.cell.step(projected, state, weights)
            if place == (layer, t, 0):
                state = (state[0] + nudge, *state[1:])
            elif place == (layer, t, 1):
                state = (gates["output_gate"] * torch.tanh(state[1] + nudge), state[1] + nudge)
            kept.append(state[0])
        x = torch.stack(kept)
    return float(cross_entropy(network.head(x[-1]), ids[-1]))


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_norms_agree_with_finite_differences(cell_type: str, tmp_path: Path) -> None:
    model = tiny_language_model(tmp_path / "m", cell_type)
    ids = model.tokenizer.encode(TEXT)
    decay = gradient_decay(model.network, ids)
    network, step = model.network.double(), 1e-5
    for s, (name, norms) in enumerate(decay.norms.items()):
        assert norms.shape == (len(ids) - 1, 2)
        for layer, t in ((0, 0), (0, 5), (1, 3), (1, 10)):
            slopes = []
            for unit in range(model.config.hidden_size):
                nudge = torch.zeros(model.config.hidden_size).double()
                nudge[unit] = step
                place, tensor = (layer, t, s), torch.from_numpy(ids)
                up, down = (_loss_when_nudged(network, tensor, place, sign * nudge) for sign in (1, -1))
                slopes.append((up - down) / (2 * step))
            assert norms[t, layer] == pytest.approx(np.linalg.norm(slopes), rel=1e-5, abs=1e-10), name


def test_a_linear_chain_decays_as_w_to_the_k(tmp_path: Path) -> None:
    """With W_hh = w I, no input and a ReLU kept open by its bias, the gradient is w^k exactly."""
    model = tiny_language_model(tmp_path / "m", "rnn_relu", num_layers=1)
    layer = model.network.recurrent[0]["d"]
    for w, half_life in ((0.5, 1.0), (0.9, -1 / math.log2(0.9)), (1.0, math.inf), (1.1, math.inf)):
        layer.weight_ih_l0.zero_()
        layer.weight_hh_l0.copy_(w * torch.eye(16))
        layer.bias_ih_l0.fill_(1.0)
        layer.bias_hh_l0.zero_()
        decay = gradient_decay(model.network, model.tokenizer.encode("the lazy dog jumps"))
        norms = decay.norms["hidden"][::-1, 0]
        assert np.allclose(norms / norms[0], w ** np.arange(len(norms)), rtol=1e-6)
        assert decay.half_life() == pytest.approx(half_life, rel=1e-5)


def test_a_classifiers_loss(tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "m", pooling="mean")
    ids = model.tokenizer.encode("the film was not good")
    decay = gradient_decay(model.network, ids, model.tokenizer.tokens("the film was not good"), target=0)
    assert decay.norms["hidden"].shape == (5, 1)
    assert decay.tokens == ("the", "film", "was", "not", "good")
    logits = model.network(torch.from_numpy(ids)[None]).logits[0, -1]
    assert decay.loss_nats == pytest.approx(float(cross_entropy(logits, torch.tensor(0))), abs=1e-5)


def test_the_model_is_left_alone(tmp_path: Path) -> None:
    model = tiny_language_model(tmp_path / "m")
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    gradient_decay(model.network, model.tokenizer.encode(TEXT))
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())
    assert all(p.grad is None and p.dtype == torch.float32 for p in model.network.parameters())


def test_what_has_no_gradient_is_one_sentence(tmp_path: Path) -> None:
    model = tiny_language_model(tmp_path / "m")
    with pytest.raises(TextError, match="too short"):
        gradient_decay(model.network, model.tokenizer.encode("a"))
    with pytest.raises(ConfigError, match="bidirectional"):
        gradient_decay(tiny_classifier(tmp_path / "w", bidirectional=True).network, np.array([2, 3]))


def test_zero_and_single_gradients_have_no_half_life(tmp_path: Path) -> None:
    model = tiny_language_model(tmp_path / "m", "rnn_relu", num_layers=1)
    model.network.recurrent[0]["d"].bias_ih_l0.fill_(-100.0)
    decay = gradient_decay(model.network, model.tokenizer.encode(TEXT))
    assert decay.norms["hidden"][:-1].max() == 0
    assert math.isnan(decay.half_life())
