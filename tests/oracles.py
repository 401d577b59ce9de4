"""Independent oracles for gradients: every cell written out once more, in plain float64 autograd.

Nothing of `rnnviz.cells` or `rnnviz.analysis` is used, only a network's parameters by their names, and its hashing.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnnviz.config import POOLINGS, ModelConfig
from rnnviz.network import Network, pair_rows

TASKS = ("language_model", *POOLINGS)
CASES = [("language_model", 1), ("language_model", 2), ("last", 1), ("mean", 2), ("max", 1)]
LENGTH, UNITS = 12, 6
Nudges = Mapping[tuple[int, int, int], Tensor]
"""(layer, time, state) -> what is added to that state once it is there; an LSTM's h_t follows its nudged c_t."""


def make_network(cell_type: str, layers: int = 1, *, size: float = 0.5, seed: int = 0, **settings: object) -> Network:
    """A network whose every number is drawn anew, biases and initial states too: size times a Gaussian."""
    shape = {"task": "language_model", "vocab_size": 9, "num_outputs": 9, "embedding_size": 5, "hidden_size": UNITS}
    if settings.get("task") == "classifier":
        shape |= {"num_outputs": 3, "labels": ("a", "b", "c")}
    config = ModelConfig(**(shape | {"cell_type": cell_type, "num_layers": layers} | settings))
    network, generator = Network(config), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(size * torch.randn(parameter.shape, generator=generator))
    return network.eval()


def some_ids(length: int = LENGTH, seed: int = 0, vocabulary: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, vocabulary, length)


def step(cell_type: str, x: Tensor, states: tuple[Tensor, ...], w: Tensor, b: Tensor, nudges: tuple) -> tuple:
    """One step: x is W_x x_t + b_x, (blocks * unit,); the rest is W_hh and b_hh."""
    h = states[0]
    n = len(h)
    a = x + w @ h + b
    if cell_type == "lstm":
        i, f, o = (torch.sigmoid(a[k * n : (k + 1) * n]) for k in (0, 1, 3))
        c = f * states[1] + i * torch.tanh(a[2 * n : 3 * n]) + nudges[1]
        return o * torch.tanh(c) + nudges[0], c
    if cell_type in ("gru", "gru_textbook"):
        r, z = torch.sigmoid(a[:n]), torch.sigmoid(a[n : 2 * n])
        product = (
            w[2 * n :] @ (r * h) + b[2 * n :] if cell_type == "gru_textbook" else r * (w[2 * n :] @ h + b[2 * n :])
        )
        return ((1 - z) * torch.tanh(x[2 * n :] + product) + z * h + nudges[0],)
    if cell_type == "residual":
        return (torch.tanh(a) + h + nudges[0],)
    return ({"rnn_tanh": torch.tanh, "rnn_relu": torch.relu, "rnn_sigmoid": torch.sigmoid}[cell_type](a) + nudges[0],)


class Graph(NamedTuple):
    """A forward pass with everything still in the graph.

    `vectors` (time, embedding) is a leaf, and so is every step's own copy of W_hh, `matrices[layer][time]`;
    `states[layer][time]` holds that step's states; `parts[layer]` W_ih, b_ih, b_hh; `logits` is (time, output).
    """

    config: ModelConfig
    vectors: Tensor
    matrices: list[list[Tensor]]
    states: list[list[tuple[Tensor, ...]]]
    parts: list[tuple[Tensor, Tensor, Tensor]]
    logits: Tensor

    def loss(self, position: int, answer: int) -> Tensor:
        return cross_entropy(self.logits[position], torch.tensor(int(answer)))


def unrolled(network: Network, ids: np.ndarray, nudges: Nudges | None = None, vectors: Tensor | None = None) -> Graph:
    """Run a network over ids (or over vectors in their place) step by step."""
    config, p = network.config, {name: value.detach().double() for name, value in network.state_dict().items()}
    count = 2 if config.cell_type == "lstm" else 1
    zero, given = torch.zeros(config.hidden_size).double(), nudges or {}
    if vectors is None:
        vectors = _embedded(p, torch.from_numpy(np.array(ids))).clone().requires_grad_()
    x, matrices, states, parts = vectors, [], [], []
    for layer in range(config.num_layers):
        w_ih, w, b_ih, b = (
            p[f"recurrent.{layer}.d.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        state = tuple(p["initial_state"][layer, 0]) if config.learned_initial_state else (zero,) * count
        copies, kept = [w.clone().requires_grad_() for _ in x], []
        for t, x_t in enumerate(x):
            moved = tuple(given.get((layer, t, s), zero) for s in range(count))
            state = step(config.cell_type, w_ih @ x_t + b_ih, state, copies[t], b, moved)
            kept.append(state)
        x = torch.stack([state[0] for state in kept])
        matrices.append(copies)
        states.append(kept)
        parts.append((w_ih, b_ih, b))
    means = torch.stack([x[: t + 1].mean(dim=0) for t in range(len(x))])
    kinds = {"mean": means, "max": x.cummax(dim=0).values, "last": x}
    read = torch.cat(list(kinds.values()), dim=1) if config.pooling == "all" else kinds[config.pooling]
    if config.dense_size:
        read = torch.relu(read @ p["dense.weight"].T + p["dense.bias"])
    return Graph(config, vectors, matrices, states, parts, read @ p["head.weight"].T + p["head.bias"])


def _embedded(p: Mapping[str, Tensor], ids: Tensor) -> Tensor:
    """What the first layer reads: (time, embedding), the pairs' vectors beside the tokens' where there are any."""
    words = p["embedding.weight"][ids]
    if "pairs.weight" not in p:
        return words
    rows = [
        pair_rows(now, before, len(p["pairs.weight"])) for now, before in zip(ids, [ids[0] * 0, *ids], strict=False)
    ]
    return torch.cat([words, p["pairs.weight"][torch.stack(rows)]], dim=1)


def gradients(loss: Tensor, *leaves: Tensor) -> list[np.ndarray]:
    """The gradient of a loss with respect to each leaf, zeros where there is none; the graph is kept."""
    found = torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True)
    return [np.zeros(leaf.shape) if g is None else g.numpy() for leaf, g in zip(leaves, found, strict=True)]


def state_norms(graph: Graph, position: int, answer: int) -> np.ndarray:
    """||d loss / d state||, (state, time up to the position, layer), by autograd."""
    loss = graph.loss(position, answer)
    layers = [kept[: position + 1] for kept in graph.states]
    flat = gradients(loss, *(s for kept in layers for states in kept for s in states))
    norms = np.array([np.linalg.norm(g) for g in flat]).reshape(len(layers), position + 1, -1)
    return norms.transpose(2, 1, 0)


def jacobian(graph: Graph, time: int, layer: int = -1) -> np.ndarray:
    """d (states at the last step) / d (states at `time`) of one layer's recurrence, (states * unit, states * unit)."""
    kept, (w_ih, b_ih, b) = graph.states[layer], graph.parts[layer]
    below = range(graph.config.num_layers)[layer] - 1
    inputs = graph.vectors if below < 0 else torch.stack([states[0] for states in graph.states[below]])
    inputs, w = inputs.detach(), graph.matrices[layer][0].detach()
    count = len(kept[0])

    def later(flat: Tensor) -> Tensor:
        states = flat.chunk(count)
        for x in inputs[time + 1 :]:
            states = step(graph.config.cell_type, w_ih @ x + b_ih, states, w, b, (0.0,) * count)
        return torch.cat(states)

    return torch.autograd.functional.jacobian(later, torch.cat(kept[time]).detach(), vectorize=True).numpy()


def zero_input_chain(cell_type: str, matrix: np.ndarray, bias: float = 0.0, **settings: object) -> Network:
    """A language model of one layer that reads nothing: W_hh is given, all else but the head is zero or `bias`."""
    network = make_network(cell_type, hidden_size=len(matrix), **settings)
    layer = network.recurrent[0]["d"]
    with torch.no_grad():
        layer.weight_ih_l0.zero_()
        layer.bias_ih_l0.fill_(bias)
        layer.bias_hh_l0.zero_()
        layer.weight_hh_l0.copy_(torch.as_tensor(matrix))
    return network


def error_at_state(network: Network, h: np.ndarray, answer: int) -> np.ndarray:
    """d loss / d h where the loss reads h: (softmax - one hot) W."""
    weight, bias = (p.detach().double().numpy() for p in (network.head.weight, network.head.bias))
    logits = weight @ h + bias
    likely = np.exp(logits - logits.max())
    return (likely / likely.sum() - np.eye(len(bias))[answer]) @ weight


def keeps_denormals() -> bool:
    """Whether this thread's arithmetic still gives denormal numbers."""
    return float(torch.tensor([1e-300], dtype=torch.float64) * 1e-15) > 0


def snapshot(network: Network) -> Callable[[], bool]:
    """Give a check that a network is exactly what it was: every number, dtype, flag, and no gradient."""

    def seen() -> Iterator[tuple]:
        for name, value in network.named_parameters():
            yield (
                name,
                value.dtype,
                value.requires_grad,
                value.grad is None,
                network.training,
                value.detach().numpy().tobytes(),
            )

    before = list(seen())
    return lambda: before == list(seen())


def task_network(cell_type: str, task: str, layers: int = 2, **settings: object) -> Network:
    """A language model, or a classifier with the pooling named."""
    shape = {} if task == "language_model" else {"task": "classifier", "pooling": task}
    return make_network(cell_type, layers, **shape, **settings)
