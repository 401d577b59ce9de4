"""One unit's arithmetic against our cells, torch's and a running script."""

import contextlib
import io
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from rnnviz import checkpoints
from rnnviz.analysis.arithmetic import Arithmetic, Contribution, pytorch_lines, unit_arithmetic
from rnnviz.cells import CELLS, State, Weights
from rnnviz.record import record
from tests.conftest import tiny_classifier, tiny_language_model

INPUT, UNITS = 5, 7
TORCH = {
    "rnn_tanh": lambda: nn.RNNCell(INPUT, UNITS, nonlinearity="tanh"),
    "rnn_relu": lambda: nn.RNNCell(INPUT, UNITS, nonlinearity="relu"),
    "lstm": lambda: nn.LSTMCell(INPUT, UNITS),
    "gru": lambda: nn.GRUCell(INPUT, UNITS),
}


def _case(cell_type: str) -> tuple[Weights, torch.Tensor, State]:
    cell = CELLS[cell_type]
    rows = len(cell.blocks) * UNITS
    shapes = [(rows, INPUT), (rows, UNITS), (rows,), (rows,)]
    weights = Weights(*(torch.randn(shape, dtype=torch.float64) for shape in shapes))
    return weights, torch.randn(INPUT).double(), tuple(torch.randn(UNITS).double() for _ in cell.states)


def _all_units(cell_type: str, **options: int) -> tuple[list[Arithmetic], Weights, torch.Tensor, State]:
    weights, x, state = _case(cell_type)
    return [unit_arithmetic(cell_type, weights, x, state, u, **options) for u in range(UNITS)], weights, x, state


@pytest.mark.parametrize("cell_type", CELLS)
def test_gates_and_states_are_the_cells(cell_type: str) -> None:
    found, weights, x, state = _all_units(cell_type)
    after, gates = CELLS[cell_type].step(weights.project(x), state, weights)
    for unit, one in enumerate(found):
        assert (one.cell_type, one.unit) == (cell_type, unit)
        assert [gate.name for gate in one.gates] == list(CELLS[cell_type].blocks)
        for gate in one.gates:
            assert abs(gate.value - gates[gate.name][unit].item()) < 1e-12
        for i, name in enumerate(CELLS[cell_type].states):
            assert one.before[name] == state[i][unit].item()
            assert abs(one.after[name] - after[i][unit].item()) < 1e-12
        assert set(one.before) == set(one.after) == set(CELLS[cell_type].states)


@pytest.mark.parametrize("cell_type", TORCH)
def test_states_are_those_of_torchs_cells(cell_type: str) -> None:
    module = TORCH[cell_type]().double()
    weights = Weights(module.weight_ih, module.weight_hh, module.bias_ih, module.bias_hh)
    _, x, state = _case(cell_type)
    after = module(x, state if len(state) > 1 else state[0])
    after = after if isinstance(after, tuple) else (after,)
    for unit in range(UNITS):
        one = unit_arithmetic(cell_type, weights, x, state, unit)
        for name, expected in zip(CELLS[cell_type].states, after, strict=True):
            assert abs(one.after[name] - expected[unit].item()) < 1e-12


@pytest.mark.parametrize("cell_type", CELLS)
def test_parts_sum_to_the_pre_activation(cell_type: str) -> None:
    functions = {"sigmoid": lambda a: 1 / (1 + math.exp(-a)), "tanh": math.tanh, "relu": lambda a: max(a, 0.0)}
    found, weights, _, _ = _all_units(cell_type, largest=INPUT + UNITS)
    for unit, one in enumerate(found):
        for block, gate in enumerate(one.gates):
            row = block * UNITS + unit
            assert gate.from_input + gate.from_hidden + gate.bias == gate.pre_activation
            assert abs(functions[gate.function](gate.pre_activation) - gate.value) < 1e-12
            sums = {s: sum(c.product for c in gate.largest if c.source == s) for s in ("input", "hidden")}
            inside = 0.0
            if cell_type == "gru" and gate.name == "candidate":
                inside = one.gates[0].value * weights.bias_hh[row].item()
                assert gate.bias == weights.bias_ih[row].item()
            else:
                assert abs(gate.bias - (weights.bias_ih + weights.bias_hh)[row].item()) < 1e-12
            assert abs(sums["input"] - gate.from_input) < 1e-12
            assert abs(sums["hidden"] + inside - gate.from_hidden) < 1e-12


@pytest.mark.parametrize("cell_type", CELLS)
def test_contributions_are_the_largest_products_with_the_layers_own_weights(cell_type: str) -> None:
    found, weights, x, state = _all_units(cell_type, largest=3)
    reset = CELLS[cell_type].gates(weights.project(x), state[0], weights).get("reset_gate")
    for unit, one in enumerate(found):
        for block, gate in enumerate(one.gates):
            row, hidden = block * UNITS + unit, state[0]
            if gate.name == "candidate" and reset is not None:
                hidden = hidden * (reset if cell_type == "gru_textbook" else reset[unit])
            every = [("input", i, weights.weight_ih[row, i], x[i]) for i in range(INPUT)]
            every += [("hidden", i, weights.weight_hh[row, i], hidden[i]) for i in range(UNITS)]
            every.sort(key=lambda c: -abs(float(c[2] * c[3])))
            assert len(gate.largest) == 3
            for ours, (source, index, weight, value) in zip(gate.largest, every, strict=False):
                assert (ours.source, ours.index, ours.weight) == (source, index, weight.item())
                assert abs(ours.value - value.item()) < 1e-12


def test_a_product() -> None:
    assert Contribution("input", 3, 0.5, -4.0).product == -2.0


def _small(cell_type: str, bias: list[float]) -> Weights:
    """Weights of one unit and one input, all 1, with the biases given a block each."""
    rows = len(bias)
    return Weights(torch.ones(rows, 1), torch.ones(rows, 1), torch.tensor(bias), torch.zeros(rows))


@pytest.mark.parametrize(
    ("cell_type", "bias", "state", "lines"),
    [
        ("rnn_tanh", [0.1], [0.5], ("h' = tanh(W_x x + W_h h + b) = tanh(-0.2500 + 0.5000 + 0.1000) = 0.3364",)),
        ("rnn_relu", [-2.0], [0.5], ("h' = relu(W_x x + W_h h + b) = relu(-0.2500 + 0.5000 + -2.0000) = 0.0000",)),
        ("residual", [0.1], [0.5], ("h' = n + h = 0.3364 + 0.5000 = 0.8364",)),
        # z = sigmoid(1.25), r = sigmoid(0.25); n = tanh(-0.25 + 0.5622 * 0.5 + 0.1), with b_h = 0 alike in both
        ("gru", [0.0, 1.0, 0.1], [0.5], ("h' = (1-z)*n + z*h = 0.2227 * 0.1303 + 0.7773 * 0.5000 = 0.4177",)),
        ("gru_textbook", [0.0, 1.0, 0.1], [0.5], ("h' = (1-z)*n + z*h = 0.2227 * 0.1303 + 0.7773 * 0.5000 = 0.4177",)),
        (  # i = sigmoid(0.25), f = sigmoid(1.25), g = tanh(0.35), o = sigmoid(0.25)
            "lstm",
            [0.0, 1.0, 0.1, 0.0],
            [0.5, -1.2],
            (
                "c' = f*c + i*g = 0.7773 * -1.2000 + 0.5622 * 0.3364 = -0.7437",
                "h' = o*tanh(c') = 0.5622 * tanh(-0.7437) = -0.3549",
            ),
        ),
    ],
)
def test_the_update_in_numbers(cell_type: str, bias: list[float], state: list[float], lines: tuple[str, ...]) -> None:
    before = tuple(torch.tensor([s]) for s in state)
    assert unit_arithmetic(cell_type, _small(cell_type, bias), torch.tensor([-0.25]), before, 0).lines == lines


def test_a_vanishing_negative_is_not_written_as_minus_zero() -> None:
    before = (torch.tensor([-0.00001]),)
    found = unit_arithmetic("residual", _small("residual", [0.00001]), torch.tensor([0.0]), before, 0)
    assert found.lines == ("h' = n + h = 0.0000 + 0.0000 = 0.0000",)


@pytest.mark.parametrize("cell_type", CELLS)
def test_weights_that_want_gradients_and_float32_will_do(cell_type: str) -> None:
    weights, x, state = _case(cell_type)
    single = Weights(*(w.float().requires_grad_() for w in weights))
    ours = unit_arithmetic(cell_type, single, x.float(), tuple(s.float() for s in state), 2)
    again = Weights(*(w.detach().double() for w in single))
    exact = unit_arithmetic(cell_type, again, x.float().double(), tuple(s.float().double() for s in state), 2)
    assert (ours.gates, ours.before, ours.after) == (exact.gates, exact.before, exact.after)
    assert not any(w.grad for w in single)


def test_what_does_not_fit_is_refused() -> None:
    weights, x, state = _case("lstm")
    with pytest.raises(ValueError, match="cell_type"):
        unit_arithmetic("transformer", weights, x, state, 0)
    with pytest.raises(ValueError, match="3 blocks of 7 rows, got 28"):
        unit_arithmetic("gru", weights, x, state[:1], 0)
    with pytest.raises(ValueError, match=r"x: expected \(input=5,\), got \(7,\)"):
        unit_arithmetic("lstm", weights, state[0], state, 0)
    with pytest.raises(ValueError, match="state: expected hidden, cell"):
        unit_arithmetic("lstm", weights, x, state[:1], 0)
    for unit in (-1, UNITS):
        with pytest.raises(ValueError, match="unit: expected 0 to 6"):
            unit_arithmetic("lstm", weights, x, state, unit)
    with pytest.raises(ValueError, match="cell_type"):
        pytorch_lines("model", "text", "transformer", 0, 0, 0)
    with pytest.raises(ValueError, match="time=-1"):
        pytorch_lines("model", "text", "lstm", 0, 0, -1)


def _printed(script: str) -> dict[str, tuple[float, float]]:
    """Run a script of `pytorch_lines`; returns what it printed: state -> recomputed, recorded."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(script, "pytorch_lines", "exec"), {})
    rows = [line.split() for line in out.getvalue().splitlines()]
    assert [(row[1], row[3]) for row in rows] == [("recomputed", "recorded")] * len(rows)
    return {row[0]: (float(row[2]), float(row[4])) for row in rows}


@pytest.mark.parametrize("time", [0, 1, 9])
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("cell_type", CELLS)
def test_the_script_recomputes_what_was_recorded(tmp_path: Path, cell_type: str, layer: int, time: int) -> None:
    text = 'the "lazy" do\'g\\n\n{0}'
    model = tiny_language_model(tmp_path / "it's a {model}", cell_type, learned_initial_state=True)
    recording = record(model, text)
    for unit in (0, 11):
        printed = _printed(pytorch_lines(str(tmp_path / "it's a {model}"), text, cell_type, layer, unit, time))
        assert set(printed) == set(CELLS[cell_type].states)
        for name, (recomputed, recorded) in printed.items():
            assert abs(recomputed - recorded) < 1e-5
            assert recorded == pytest.approx(float(recording.signals[name][time, layer, unit]), abs=1e-6)


def test_the_script_starts_from_a_learned_state(tmp_path: Path) -> None:
    model = tiny_language_model(tmp_path / "start", "lstm", learned_initial_state=True)
    model.network.initial_state.data.normal_()
    checkpoints.save(tmp_path / "start", model.network, model.tokenizer, {"name": "start"})
    for layer in (0, 1):
        for recomputed, recorded in _printed(
            pytorch_lines(str(tmp_path / "start"), "fox", "lstm", layer, 4, 0)
        ).values():
            assert abs(recomputed - recorded) < 1e-5


def test_the_script_reads_words_as_the_model_does(tmp_path: Path) -> None:
    tiny_classifier(tmp_path / "words", "gru", num_layers=2)
    for layer in (0, 1):
        script = pytorch_lines(str(tmp_path / "words"), "Not a GOOD film, strangely!", "gru", layer, 3, 4)
        recomputed, recorded = _printed(script)["hidden"]
        assert abs(recomputed - recorded) < 1e-5
