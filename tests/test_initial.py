"""Untrained networks by recipe: what the matrices are, and what stays as it was."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from rnnviz.config import CELL_TYPES, ModelConfig
from rnnviz.errors import ConfigError
from rnnviz.initial import RECIPES, Start, fresh_network
from rnnviz.network import Network, seeded_network


def _config(cell_type: str = "lstm", **settings: object) -> ModelConfig:
    shape = {"task": "language_model", "vocab_size": 7, "num_outputs": 7, "embedding_size": 5, "hidden_size": 12}
    return ModelConfig(**(shape | {"cell_type": cell_type, "num_layers": 2} | settings))


def _blocks(network: Network) -> list[Tensor]:
    """Every gate's recurrent matrix, of all layers and directions."""
    size = network.config.hidden_size
    matrices = [value for name, value in network.state_dict().items() if "weight_hh" in name]
    return [block for matrix in matrices for block in matrix.double().split(size)]


def _same(one: Network, other: Network, but: str = "none") -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for (name, a), b in pairs if but not in name)


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_orthogonal_matrices_are_orthogonal_gate_by_gate(cell_type: str) -> None:
    network = fresh_network(_config(cell_type), Start("orthogonal"))
    blocks = _blocks(network)
    assert len(blocks) == 2 * len(network.cell.blocks)
    for block in blocks:
        assert torch.allclose(block @ block.T, torch.eye(12, dtype=torch.float64), atol=1e-5)
    assert not any(torch.allclose(a, b) for i, a in enumerate(blocks) for b in blocks[:i])


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_identities_are_identities(cell_type: str) -> None:
    assert all(
        torch.equal(b, torch.eye(12).double()) for b in _blocks(fresh_network(_config(cell_type), Start("identity")))
    )


@pytest.mark.parametrize("cell_type", ["rnn_tanh", "lstm", "gru_textbook"])
@pytest.mark.parametrize(
    ("recipe", "variance", "largest"),
    [
        ("glorot", 1 / 200, math.sqrt(3 / 200)),
        ("gaussian", 1 / 200, math.inf),
        ("pytorch", 1 / 600, 200**-0.5),
        ("orthogonal", 1 / 200, 1.0),
    ],
)
def test_random_matrices_have_the_variance_told(recipe: str, variance: float, largest: float, cell_type: str) -> None:
    network = fresh_network(_config(cell_type, hidden_size=200, num_layers=1), Start(recipe, seed=5))
    for block in _blocks(network):  # 40,000 numbers: the variance is known to 1 %
        assert float(block.var()) == pytest.approx(variance, rel=0.05)
        assert abs(float(block.mean())) < 5 * math.sqrt(variance) / 200
        assert float(block.abs().max()) <= largest + 1e-7
        if recipe == "gaussian":  # kurtosis 3; a uniform's is 1.8
            assert float((block**4).mean()) / variance**2 == pytest.approx(3, rel=0.1)
        if recipe in ("glorot", "pytorch"):
            assert float((block**4).mean()) / variance**2 == pytest.approx(1.8, rel=0.1)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_scale_multiplies_every_recurrent_matrix_and_nothing_else(recipe: str) -> None:
    one, twice = (fresh_network(_config("gru"), Start(recipe, scale)) for scale in (1.0, -2.0))
    assert all(torch.equal(b, -2 * a) for a, b in zip(_blocks(one), _blocks(twice), strict=True))
    assert _same(one, twice, but="weight_hh")
    assert all((b == 0).all() for b in _blocks(fresh_network(_config("gru"), Start(recipe, 0.0))))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_seed_is_a_network(recipe: str) -> None:
    one, same, other = (fresh_network(_config(), Start(recipe, seed=seed)) for seed in (3, 3, 4))
    assert _same(one, same) and not _same(one, other)
    if recipe != "identity":
        assert not any(torch.equal(a, b) for a, b in zip(_blocks(one), _blocks(other), strict=True))


@pytest.mark.parametrize("recipe", RECIPES)
def test_recurrent_matrices_are_independent_of_all_other_weights(recipe: str) -> None:
    """One stream of numbers must not be read twice: under one seed W_hh could be the embedding itself."""
    network = fresh_network(
        _config("rnn_tanh", hidden_size=30, vocab_size=60, num_outputs=60, num_layers=1), Start(recipe)
    )
    one = network.recurrent[0]["d"].weight_hh_l0.detach().flatten()
    for name in ("embedding.weight", "recurrent.0.d.weight_ih_l0", "head.weight"):
        other = network.state_dict()[name].flatten()
        size = min(len(one), len(other))
        both = torch.stack([one[:size], other[:size]])
        assert abs(float(torch.corrcoef(both)[0, 1])) < 5 / math.sqrt(size), name


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_all_the_rest_is_pytorchs_default(cell_type: str, recipe: str) -> None:
    """The same seed gives every recipe the same embedding, input matrices, biases and head."""
    found, plain = fresh_network(_config(cell_type), Start(recipe, seed=3)), seeded_network(_config(cell_type), 3)
    for (name, a), b in zip(found.state_dict().items(), plain.state_dict().values(), strict=True):
        skipped = slice(12, 24 if cell_type == "lstm" and "bias" in name and "recurrent" in name else 12)  # forget gate
        rows = np.delete(np.arange(len(a)), skipped)
        assert "weight_hh" in name or torch.equal(a[rows], b[rows]), name
    assert (recipe == "pytorch") == _same(found, plain, but="bias")


def test_a_default_lstm_differs_from_a_seeded_one_in_the_second_forget_bias_alone() -> None:
    found, plain = fresh_network(_config(), Start()), seeded_network(_config(), 0)
    pairs = zip(found.state_dict().items(), plain.state_dict().values(), strict=True)
    differing = [name for (name, a), b in pairs if not torch.equal(a, b)]
    assert differing == [f"recurrent.{layer}.d.bias_hh_l0" for layer in (0, 1)]


@pytest.mark.parametrize("bias", [1.0, -2.5, 0.0])
def test_the_forget_bias_is_that_of_both_biases_together(bias: float) -> None:
    config = _config(task="classifier", num_outputs=2, labels=("a", "b"), bidirectional=True)
    state = fresh_network(config, Start(forget_bias=bias)).state_dict()
    for layer in (0, 1):
        for direction in ("", "_reverse"):
            both = sum(state[f"recurrent.{layer}.d{direction}.bias_{which}_l0"] for which in ("ih", "hh"))
            assert (both[12:24] == bias).all() and (both[:12] != bias).all()


def test_a_forget_bias_is_nothing_to_other_cells() -> None:
    for cell_type in CELL_TYPES:
        one, other = (fresh_network(_config(cell_type), Start(forget_bias=bias)) for bias in (1.0, 5.0))
        assert _same(one, other) == (cell_type != "lstm")


@pytest.mark.parametrize("recipe", RECIPES)
def test_torchs_own_generator_is_not_disturbed(recipe: str) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    np_state = np.random.get_state()[1].copy()
    fresh_network(_config(), Start(recipe, seed=1))
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(np.random.get_state()[1], np_state)


def test_a_fresh_network_can_be_trained() -> None:
    network = fresh_network(_config(), Start("orthogonal", 1.5))
    assert all(p.requires_grad and p.is_leaf and p.grad is None for p in network.parameters())
    network(torch.tensor([[1, 2, 3]])).logits.sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"recipe": "magic"}, r"recipe must be one of pytorch, orthogonal, identity, glorot, gaussian, got 'magic'"),
        ({"scale": math.nan}, r"must be finite, got nan"),
        ({"scale": -math.inf}, r"must be finite, got -inf"),
        ({"forget_bias": math.inf}, r"must be finite, got 1.0 and inf"),
        ({"seed": -1}, r"seed must be a whole number between 0 and 2\^63, got -1"),
        ({"seed": 2**63}, r"seed must be a whole number between 0 and 2\^63, got 9223372036854775808"),
        ({"seed": 1.5}, r"seed must be a whole number"),
        ({"scale": "wide"}, r"scale must be a number, got 'wide'"),
    ],
)
def test_impossible_values_are_one_sentence(bad: dict, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        Start(**bad)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_start_is_a_value() -> None:
    assert Start() == Start("pytorch", 1.0, 1.0, 0) and hash(Start()) == hash(Start())
    with pytest.raises(dataclasses.FrozenInstanceError):
        Start().seed = 3
    assert fresh_network(_config(), Start(seed=2**63 - 1)).config == _config()
