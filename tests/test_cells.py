"""Our cells and network against torch.nn, in float64."""

import pytest
import torch
from torch import nn

from rnnviz.cells import CELLS, LoopLayer, Weights, make_layer, run_layer
from rnnviz.checkpoints import export_state
from rnnviz.config import CELL_TYPES, POOLINGS, ModelConfig
from rnnviz.errors import ConfigError
from rnnviz.network import Network, at_end, pair_rows

BATCH, TIME, INPUT, UNITS = 3, 11, 5, 7
TORCH = {
    "rnn_tanh": lambda *a, **k: nn.RNN(*a, nonlinearity="tanh", **k),
    "rnn_relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k),
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}


def _network(cell_type: str, task: str = "classifier", **shape: object) -> Network:
    own = {"labels": ("a", "b"), "num_outputs": 2} if task == "classifier" else {"num_outputs": 20}
    sizes = {"vocab_size": 20, "embedding_size": INPUT, "hidden_size": UNITS}
    config = ModelConfig(task, cell_type, **{**sizes, **own, **shape})
    return Network(config).double().eval()


@pytest.mark.parametrize("cell_type", TORCH)
def test_step_agrees_with_torch(cell_type: str) -> None:
    layer = TORCH[cell_type](INPUT, UNITS, batch_first=True).double()
    cell, weights = CELLS[cell_type], Weights.of(layer)
    x = torch.randn(BATCH, TIME, INPUT).double()
    start = tuple(torch.randn(BATCH, UNITS).double() for _ in cell.states)
    hidden, final = run_layer(layer, x, start)
    state = start
    for t in range(TIME):
        state, _ = cell.step(weights.project(x[:, t]), state, weights)
        assert (state[0] - hidden[:, t]).abs().max() < 1e-8
    assert all((ours - theirs).abs().max() < 1e-8 for ours, theirs in zip(state, final, strict=True))


def _by_hand(cell_type: str, layer: LoopLayer, x: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """The lecture notes' equations, one text, written with the weights stacked by rows."""
    wi, wh = layer.weight_ih_l0, layer.weight_hh_l0
    b = layer.bias_ih_l0 + layer.bias_hh_l0
    for x_t in x:
        if cell_type == "residual":
            s = torch.tanh(wi @ x_t + wh @ s + b) + s
        elif cell_type == "rnn_sigmoid":
            s = torch.sigmoid(wi @ x_t + wh @ s + b)
        else:
            r = torch.sigmoid(wi[:UNITS] @ x_t + wh[:UNITS] @ s + b[:UNITS])
            z = torch.sigmoid(wi[UNITS : 2 * UNITS] @ x_t + wh[UNITS : 2 * UNITS] @ s + b[UNITS : 2 * UNITS])
            n = torch.tanh(wi[2 * UNITS :] @ x_t + wh[2 * UNITS :] @ (r * s) + b[2 * UNITS :])
            s = (1 - z) * n + z * s
    return s


@pytest.mark.parametrize("cell_type", ["gru_textbook", "residual", "rnn_sigmoid"])
def test_cells_torch_lacks_follow_their_equations(cell_type: str) -> None:
    layer = make_layer(cell_type, INPUT, UNITS).double()
    x, start = torch.randn(TIME, INPUT).double(), torch.randn(UNITS).double()
    _, (final,) = run_layer(layer, x[None], (start[None],))
    assert (final[0] - _by_hand(cell_type, layer, x, start)).abs().max() < 1e-8


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell_type", TORCH)
def test_network_is_torchs_stacked_layer_with_its_names(cell_type: str, layers: int, bidirectional: bool) -> None:
    ours = _network(cell_type, num_layers=layers, bidirectional=bidirectional)
    theirs = TORCH[cell_type](INPUT, UNITS, layers, batch_first=True, bidirectional=bidirectional).double()
    recurrent = {k.removeprefix("recurrent."): v for k, v in export_state(ours).items() if k.startswith("recurrent.")}
    theirs.load_state_dict(recurrent)
    ids = torch.randint(0, 20, (BATCH, TIME))
    assert (ours.features(ids)[0] - theirs(ours.embedding(ids))[0]).abs().max() < 1e-8


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_padding_changes_nothing(cell_type: str, pooling: str, bidirectional: bool) -> None:
    network = _network(cell_type, pooling=pooling, bidirectional=bidirectional, padding_index=0, num_layers=2)
    rows = [torch.randint(1, 20, (n,)) for n in (4, 9, 1)]
    lengths = torch.tensor([len(row) for row in rows])
    padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    together = at_end(network(padded, lengths).logits, lengths)
    for row, logits in zip(rows, together, strict=True):
        alone = network(row[None], torch.tensor([len(row)])).logits[0, -1]
        assert (alone - logits).abs().max() < 1e-12


def test_packed_torch_lstm_agrees_on_ragged_batches() -> None:
    network = _network("lstm", bidirectional=True)
    layer = nn.LSTM(INPUT, UNITS, batch_first=True, bidirectional=True).double()
    layer.load_state_dict(
        {k.removeprefix("recurrent."): v for k, v in export_state(network).items() if k.startswith("recurrent.")}
    )
    ids, lengths = torch.randint(0, 20, (BATCH, TIME)), torch.tensor([11, 4, 7])
    packed = nn.utils.rnn.pack_padded_sequence(network.embedding(ids), lengths, batch_first=True, enforce_sorted=False)
    _, (final, _) = layer(packed)
    expected = network.head(torch.cat([final[0], final[1]], dim=1))
    assert (at_end(network(ids, lengths).logits, lengths) - expected).abs().max() < 1e-8


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_state_carries_over(cell_type: str) -> None:
    network = _network(cell_type, "language_model", num_layers=2, learned_initial_state=True)
    network.initial_state.data.normal_()
    ids = torch.randint(0, 20, (BATCH, TIME))
    whole = network(ids).logits
    first, state = network(ids[:, :4])
    second, _ = network(ids[:, 4:], state=state)
    assert (torch.cat([first, second], dim=1) - whole).abs().max() < 1e-10


def test_learned_initial_state_is_used_and_learned() -> None:
    network = _network("gru", learned_initial_state=True)
    network(torch.tensor([[1]])).logits.sum().backward()
    assert network.initial_state.grad.abs().sum() > 0


def test_pooling_is_causal() -> None:
    for pooling in POOLINGS:
        network = _network("rnn_tanh", pooling=pooling, pair_buckets=64)
        ids = torch.randint(0, 20, (1, TIME))
        prefix = network(ids[:, :5]).logits[0]
        assert (network(ids).logits[0, :5] - prefix).abs().max() < 1e-12


def test_all_poolings_side_by_side() -> None:
    network = _network("rnn_tanh", pooling="all")
    hidden = torch.randn(1, TIME, UNITS).double()
    read = network.pool(hidden)[0]
    for t in range(TIME):
        before = hidden[0, : t + 1]
        expected = torch.cat([before.mean(dim=0), before.max(dim=0).values, before[-1]])
        assert (read[t] - expected).abs().max() < 1e-12


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_whole_texts_are_answered_as_at_their_last_token(pooling: str, bidirectional: bool) -> None:
    network = _network("lstm", pooling=pooling, bidirectional=bidirectional, num_layers=2, dense_size=4)
    ids, lengths = torch.randint(1, 20, (3, TIME)), torch.tensor([TIME, 1, 4])
    expected = at_end(network(ids, lengths).logits, lengths)
    assert (network.whole(ids, lengths) - expected).abs().max() < 1e-12


def test_pairs_of_neighbours_have_vectors_of_their_own() -> None:
    ids = torch.tensor([[3, 4, 3, 4, 5], [4, 4, 5, 3, 4]])
    before = torch.cat([torch.zeros(2, 1, dtype=torch.int64), ids[:, :-1]], dim=1)
    rows = pair_rows(ids, before, 1000)
    assert rows.min() >= 0
    assert rows.max() < 1000
    assert rows[0, 1] == rows[0, 3] == rows[1, 4], "the same two words in the same order"
    assert rows[0, 2] != rows[0, 1], "order matters"
    assert rows[0, 0] != rows[0, 2], "the first word has nothing before it"
    spread = pair_rows(*torch.randint(0, 20_000, (2, 50_000)), 1000).bincount(minlength=1000)
    assert spread.max() < 2 * spread.float().mean(), "rows are filled evenly"
    network = _network("lstm", pair_buckets=64, pair_size=3)
    whole = network.embed(ids)
    assert whole[..., INPUT:].equal(network.pairs(pair_rows(ids, before, 64)))
    assert network.embed(ids[:, 2:], ids[:, 1:2]).equal(whole[:, 2:]), "a stretch with the token before it"


def test_a_dense_layer_stands_before_the_answer() -> None:
    network = _network("rnn_tanh", pooling="last", dense_size=5)
    hidden = torch.randn(1, TIME, UNITS).double()
    expected = network.head(torch.relu(network.dense(hidden)))
    assert network.answer(hidden).equal(expected)
    assert network.dense.out_features == network.head.in_features == 5


def test_fresh_token_vectors_have_the_spread_asked_for() -> None:
    for scale in (1.0, 0.1):
        network = _network("lstm", vocab_size=4000, embedding_scale=scale, padding_index=0)
        assert float(network.embedding.weight[1:].std().detach()) == pytest.approx(scale, rel=0.05)
        assert not network.embedding.weight[0].any()


def test_recurrent_dropout_is_for_training_only() -> None:
    ids = torch.randint(0, 20, (1, TIME))
    for cell_type in CELL_TYPES:
        network = _network(cell_type, recurrent_dropout=0.5)
        quiet = network(ids).logits
        assert network(ids).logits.equal(quiet)
        network.train()
        one, other = network(ids).logits, network(ids).logits
        assert not one.equal(other)
        one.sum().backward()
        assert all(p.grad is not None for p in network.recurrent.parameters())


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="for a classifier"):
        _network("lstm", "language_model", pair_buckets=64)
    with pytest.raises(ConfigError, match="pair_buckets"):
        _network("lstm", pair_buckets=-1)
    with pytest.raises(ConfigError, match="recurrent_dropout"):
        _network("lstm", recurrent_dropout=1)
    with pytest.raises(ConfigError, match="cannot generate"):
        _network("lstm", "language_model", bidirectional=True)
    with pytest.raises(ConfigError, match="cell_type"):
        _network("transformer")
    with pytest.raises(ConfigError, match="dropout"):
        _network("lstm", dropout=1.0)
    with pytest.raises(ConfigError, match="num_layers"):
        _network("lstm", num_layers=0)
    with pytest.raises(ValueError, match="time >= 1"):
        _network("lstm")(torch.zeros((1, 0), dtype=torch.long))


def test_forget_gates_start_open() -> None:
    layer = _network("lstm").recurrent[0]["d"]
    assert torch.all(layer.bias_ih_l0[UNITS : 2 * UNITS] == 1)
