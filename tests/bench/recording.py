"""`recording`: what recording every signal costs; a table of ratios, each taken within one run."""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnnviz.config import ModelConfig
from rnnviz.network import Network
from rnnviz.record import record_network

UNITS, EMBEDDING, VOCABULARY = 512, 64, 100
SHAPES = ((1, 1_000), (1, 10_000), (64, 200))


def _seconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return each call's median over rounds in which all take turns, after one warm-up."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if turn:
                taken[name].append(time.perf_counter() - started)
    return {name: sorted(times)[len(times) // 2] for name, times in taken.items()}


def _by_lstm_cell(cell: nn.LSTMCell, x: Tensor) -> list[tuple[Tensor, ...]]:
    """The obvious way to record: a loop over `nn.LSTMCell`, the gates computed beside it."""
    hidden, state, kept = x.new_zeros(len(x), UNITS), x.new_zeros(len(x), UNITS), []
    for x_t in x.unbind(1):
        pre = torch.addmm(cell.bias_ih, x_t, cell.weight_ih.T) + torch.addmm(cell.bias_hh, hidden, cell.weight_hh.T)
        i, f, g, o = pre.chunk(4, dim=1)
        gates = (torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o))
        hidden, state = cell(x_t, (hidden, state))
        kept.append((hidden, state, *gates))
    return kept


@torch.no_grad()
def recording(rounds: int) -> None:
    """Print what recording everything costs beside the plain fused forward."""
    print(f"Recording every signal of an LSTM of {UNITS} units, as a multiple of the plain nn.LSTM forward")
    print(f"({torch.get_num_threads()} threads, median of {rounds} turns)\n")
    print("| batch x time | nn.LSTM forward | record | ratio | loop over nn.LSTMCell | ratio |")
    print("|---|---|---|---|---|---|")
    network = Network(ModelConfig("language_model", "lstm", VOCABULARY, VOCABULARY, EMBEDDING, UNITS)).eval()
    layer = network.recurrent[0]["d"]
    cell = nn.LSTMCell(EMBEDDING, UNITS)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    for batch, time_steps in SHAPES:
        ids, lengths = torch.randint(VOCABULARY, (batch, time_steps)), torch.full((batch,), time_steps)
        x = network.embedding(ids)
        calls = {
            "plain": lambda x=x: layer(x),
            "record": lambda ids=ids, lengths=lengths: record_network(network, ids, lengths),
            "loop": lambda x=x: _by_lstm_cell(cell, x),
        }
        found = _seconds(calls, rounds)
        plain = found["plain"]
        row = [f"{batch} x {time_steps:,}", f"{plain * 1e3:.0f} ms"]
        row += [
            part
            for name in ("record", "loop")
            for part in (f"{found[name] * 1e3:.0f} ms", f"{found[name] / plain:.2f}")
        ]
        print(f"| {' | '.join(row)} |", flush=True)
