"""`gradients`: what the gradient page's measures cost; every ratio is taken within one run, on one thread."""

import time
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import torch
import typer
from torch import Tensor

from rnnviz.analysis.gradients import gradient_decay, gradient_triangle
from rnnviz.analysis.jacobians import state_products
from rnnviz.analysis.unrolled import Unrolled, no_denormals, unroll
from rnnviz.cells import Cell, State, Weights
from rnnviz.config import CELL_LABELS, ModelConfig
from rnnviz.network import Network, seeded_network
from tests.bench.figures import machine, print_table

STEPS, UNITS, EMBEDDING, VOCABULARY = 200, 128, 32, 30
HEAD = (
    *("cell", "decay", "triangle", "Jacobians, all t", "vmap(vjp), all t", "ratio"),
    *("batched grad, all t", "ratio", "largest difference", "functional.jacobian, one t"),
)


def _best(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return each call's least milliseconds over rounds in which all take turns, after one warm-up."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if turn:
                taken[name].append((time.perf_counter() - started) * 1e3)
    return {name: min(times) for name, times in taken.items()}


class Plain(NamedTuple):
    """What PyTorch's own ways need of a pass: the cell, its weights, what the layer reads, its first states."""

    cell: Cell
    weights: Weights
    inputs: Tensor
    start: State

    @classmethod
    def of(cls, run: Unrolled) -> "Plain":
        layer = run.layers[-1]
        weights = Weights(*(w.clone() for w in layer.weights))
        return cls(run.network.cell, weights, layer.inputs.clone(), tuple(s[0].clone() for s in layer.before))

    def last(self, start: State, nudges: Sequence[Tensor] = ()) -> State:
        """Return the states after the last step, a nudge added to each state after every step."""
        state, each = start, iter(nudges)
        for projected in self.weights.project(self.inputs):
            state, _ = self.cell.step(projected, state, self.weights)
            state = tuple(s + next(each) for s in state) if nudges else state
        return state

    def nudges(self) -> list[Tensor]:
        return [torch.zeros(UNITS, dtype=torch.float64) for _ in range(STEPS * len(self.start))]


def by_vmap(plain: Plain) -> list[list[Tensor]]:
    """d state_T / d state_t of every t by `torch.func`: one forward, one batched pull for each kind of state."""
    rows, count, found = torch.eye(UNITS, dtype=torch.float64), len(plain.start), []
    with no_denormals():
        states, pull = torch.func.vjp(lambda *nudges: plain.last(plain.start, nudges), *plain.nudges())
        zeros = [torch.zeros_like(state) for state in states]
        for s in range(count):
            pulled = torch.func.vmap(lambda row, s=s: pull((*zeros[:s], row, *zeros[s + 1 :])))(rows)
            found.append(list(pulled[s::count]))
    return found


def by_batched_grad(plain: Plain) -> list[list[Tensor]]:
    """The same by `torch.autograd.grad(is_grads_batched=True)`."""
    rows, count = torch.eye(UNITS, dtype=torch.float64), len(plain.start)
    leaves = [nudge.requires_grad_() for nudge in plain.nudges()]
    with no_denormals():
        states = plain.last(plain.start, leaves)
        return [
            list(torch.autograd.grad(state, leaves[s::count], rows, retain_graph=True, is_grads_batched=True))
            for s, state in enumerate(states)
        ]


def by_functional(plain: Plain) -> object:
    """The same for the first step alone, by `torch.autograd.functional.jacobian`."""
    with no_denormals():
        return torch.autograd.functional.jacobian(lambda *states: plain.last(states), plain.start)


@torch.inference_mode()
def by_products(network: Network, ids: object) -> list[list[Tensor]]:
    """The same by products of step matrices, the forward pass included."""
    run = unroll(network, ids)
    with no_denormals():
        products = list(state_products(run))[::-1]
    return [[p.matrices[name] * 2.0**p.exponent for p in products] for name in network.cell.states]


def _differences(one: list[list[Tensor]], other: list[list[Tensor]]) -> float:
    return max(
        float((a - b).abs().max())
        for mine, theirs in zip(one, other, strict=True)
        for a, b in zip(mine, theirs, strict=True)
    )


def _row(cell_type: str, rounds: int) -> list[str]:
    config = ModelConfig("language_model", cell_type, VOCABULARY, VOCABULARY, EMBEDDING, UNITS)
    network = seeded_network(config, 0)
    ids = torch.randint(VOCABULARY, (STEPS + 1,), generator=torch.Generator().manual_seed(0)).numpy()
    plain = Plain.of(unroll(network, ids[:-1]))
    calls = {
        "decay": lambda: gradient_decay(network, ids),
        "triangle": lambda: gradient_triangle(network, ids),
        "products": lambda: by_products(network, ids[:-1]),
        "vmap": lambda: by_vmap(plain),
        "grad": lambda: by_batched_grad(plain),
    }
    found = _best(calls, rounds) | _best({"functional": lambda: by_functional(plain)}, 1)
    mine = by_products(network, ids[:-1])
    apart = max(_differences(mine, by_vmap(plain)), _differences(mine, by_batched_grad(plain)))
    milliseconds = {name: f"{value:.1f} ms" for name, value in found.items()}
    ratios = {name: f"{found[name] / found['products']:.1f}" for name in ("vmap", "grad")}
    return [
        *(CELL_LABELS[cell_type], milliseconds["decay"], milliseconds["triangle"], milliseconds["products"]),
        *(milliseconds["vmap"], ratios["vmap"], milliseconds["grad"], ratios["grad"]),
        *(f"{apart:.0e}", milliseconds["functional"]),
    ]


def gradients(
    rounds: Annotated[int, typer.Option(min=1, help="Turns of which the best is taken.")] = 5,
    cell: Annotated[list[str] | None, typer.Option(help="Only these cells.")] = None,
) -> None:
    """Print what the gradient measures cost, and the Jacobians beside PyTorch's own ways to them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    print(f"{STEPS} steps, {UNITS} units, one layer, float64, one thread, best of {rounds} turns; denormals flushed.")
    print("Every time has its own forward pass in it. Decay and triangle are of all states; Jacobians of all t are")
    print("d h_T / d h_t, and d c_T / d c_t for an LSTM; functional.jacobian is that of the first t, one turn.")
    print(machine())
    print_table(HEAD, (_row(cell_type, rounds) for cell_type in cell or CELL_LABELS))
    torch.set_num_threads(threads)
