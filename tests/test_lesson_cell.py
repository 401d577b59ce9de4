"""Inside the cell: every number on the page against an independent float64 computation."""

import html
import json
import math
import re

import numpy as np
import pytest
import torch
from torch import nn

from rnnviz.cells import CELLS
from rnnviz.charts import cell as charts
from rnnviz.charts import cell_tex as tex
from rnnviz.errors import TextError
from rnnviz.lesson.cell import LARGEST, Hand, cleaned, from_tables, shapes, step_rows, tables, walk
from rnnviz.lesson.cell_batch import batch
from rnnviz.lesson.cell_forms import gated, growth, notes_gru, other_gru, plain, stacked, without_hidden_bias
from rnnviz.lesson.cell_noise import drop, first_weights, masks, mean_heard
from rnnviz.lesson.cell_presets import RANDOM, make, preset_names, watch
from rnnviz.lesson.cell_start import aligned, backwards, guesser, in_pieces, learn_start, start_surface, targets
from rnnviz.pages.lesson.cell_step import unit_formulas

TEXT = "abca ba"


def _hand(cell_type: str, seed: int, units: int = 3) -> Hand:
    """A network of random weights, all of them in use."""
    generator = np.random.default_rng(seed)
    matrix, start, head = (generator.normal(size=shape) for shape in shapes("abc", units, cell_type))
    if cell_type == "gru":
        matrix[:-units, -1] = 0
    return from_tables(cell_type, "abc", (matrix, start, head))


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def _by_hand(hand: Hand, text: str) -> list[dict[str, np.ndarray]]:
    """Every number of every step by its name, written down once more in numpy alone."""
    u, n = hand.units, len(hand.letters)
    w_x, w_h, b = hand.matrix[:, :n], hand.matrix[:, n : n + u], hand.matrix[:, n + u]
    h, c = hand.start[0], hand.start[-1]
    steps = []
    for character in text:
        x = np.array([1.0 if character == letter else 0.0 for letter in hand.letters])
        part = {"state before": h}
        rows = [slice(i * u, (i + 1) * u) for i in range(len(hand.matrix) // u)]
        new, old = [w_x[r] @ x for r in rows], [w_h[r] @ h for r in rows]
        bias = [b[r] for r in rows]
        if hand.cell_type == "lstm":
            i, f, g, o = (k + m + v for k, m, v in zip(new, old, bias, strict=True))
            i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
            part |= {"cell state before": c, "input gate": i, "forget gate": f, "candidate": g, "output gate": o}
            part |= {"kept": f * c, "written": i * g}
            c = f * c + i * g
            h = o * np.tanh(c)
            part |= {"cell state after": c, "squashed": np.tanh(c)}
        elif hand.cell_type in ("gru", "gru_textbook"):
            r, z = (_sigmoid(new[k] + old[k] + bias[k]) for k in (0, 1))
            outside = r * (old[2] + hand.matrix[2 * u :, -1])
            old[2] = outside if hand.cell_type == "gru" else w_h[rows[2]] @ (r * h)
            cand = np.tanh(new[2] + old[2] + bias[2])
            part |= {"reset gate": r, "update gate": z, "candidate": cand, "kept": z * h, "written": (1 - z) * cand}
            h = z * h + (1 - z) * cand
        elif hand.cell_type == "residual":
            part |= {"kept": h, "written": np.tanh(new[0] + old[0] + bias[0])}
            h = part["kept"] + part["written"]
        else:
            function = {"rnn_tanh": np.tanh, "rnn_sigmoid": _sigmoid, "rnn_relu": lambda a: np.maximum(a, 0)}
            h = function[hand.cell_type](new[0] + old[0] + bias[0])
        part["shown: state after"] = h
        part["sums"] = np.concatenate([[k, m, v, k + m + v] for k, m, v in zip(new, old, bias, strict=True)])
        part["y"] = h @ hand.head[:-1] + hand.head[-1]
        steps.append(part)
    return steps


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cell_type", CELLS)
def test_every_number_of_a_step_is_right(cell_type: str, seed: int) -> None:
    hand = _hand(cell_type, seed, units=2 + seed)
    read = walk(hand, TEXT)
    for time, expected in enumerate(_by_hand(hand, TEXT)):
        rows = step_rows(hand, read, time)
        sums = np.array([row.values for row in rows if row.part == "sums"])
        assert sums == pytest.approx(expected.pop("sums"), abs=1e-12)
        assert read.outputs[time] == pytest.approx(expected.pop("y"), abs=1e-12)
        shown = {row.name: row.values for row in rows if row.part != "sums"}
        assert set(shown) == set(expected)
        for name, values in shown.items():
            assert values == pytest.approx(expected[name], abs=1e-12), name


@pytest.mark.parametrize("cell_type", ["rnn_tanh", "rnn_relu", "lstm", "gru"])
def test_the_states_are_those_of_torch(cell_type: str) -> None:
    hand = _hand(cell_type, 5)
    module = {"lstm": nn.LSTM, "gru": nn.GRU}.get(cell_type, nn.RNN)
    options = {"nonlinearity": cell_type[4:]} if module is nn.RNN else {}
    layer = module(3, 3, **options).double()
    zero = torch.zeros(len(hand.matrix), dtype=torch.float64)
    if cell_type == "gru":
        zero[6:] = torch.from_numpy(hand.matrix[6:, -1])
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    parts = [*(torch.from_numpy(w.copy()) for w in (hand.matrix[:, :3], hand.matrix[:, 3:6], hand.matrix[:, 6])), zero]
    layer.load_state_dict(dict(zip(names, parts, strict=True)))
    start = tuple(torch.from_numpy(row.copy())[None] for row in hand.start)
    x = torch.tensor([[float(c == letter) for letter in "abc"] for c in TEXT], dtype=torch.float64)
    output, final = layer(x, start if len(start) > 1 else start[0])
    read = walk(hand, TEXT)
    assert read.states["hidden"][1:] == pytest.approx(output.detach().numpy(), abs=1e-12)
    if cell_type == "lstm":
        assert read.states["cell"][-1] == pytest.approx(final[1][0].detach().numpy(), abs=1e-12)


def _numbers(text: str) -> list[float]:
    return [float(part.replace("\u2212", "-")) for part in re.findall(r"[\u2212-]?\d+\.\d+(?:e[+-]\d+)?", text)]


@pytest.mark.parametrize("cell_type", CELLS)
def test_the_table_shows_these_numbers(cell_type: str) -> None:
    hand = _hand(cell_type, 1)
    rows = step_rows(hand, walk(hand, TEXT), 4)
    shown = charts.table_html([(row.part, row.name, row.formula, row.values, None) for row in rows])
    cells = re.findall(r'<td class="rv-value">([^<]*)</td>', html.unescape(shown))
    flat = np.concatenate([row.values for row in rows])
    assert len(cells) == len(flat)
    assert [float(cell.replace("\u2212", "-")) for cell in cells] == pytest.approx(flat, abs=5.1e-5)


@pytest.mark.parametrize("cell_type", CELLS)
def test_formulas_with_numbers_put_in_add_up(cell_type: str) -> None:
    """What stands between two signs of equality is computed anew from its own, rounded, numbers."""
    hand = _hand(cell_type, 2)
    read = walk(hand, TEXT)
    for unit in range(hand.units):
        lines = "\\\\".join(unit_formulas(hand, read, 2, unit)).replace(r"\\ &=", "=")
        checked = 0
        for line in lines.split("\\\\"):
            _, *sides = line.split("=")
            values = [_value(side) for side in sides]
            assert values == pytest.approx([values[-1]] * len(values), abs=2e-3), line
            checked += len(values) > 1
        assert checked >= 2 * len(CELLS[cell_type].blocks)
        assert _value(lines.split("=")[-1]) == pytest.approx(read.states["hidden"][3, unit], abs=5.1e-5)


def _value(side: str) -> float:
    side = re.sub(r"\\underbrace\{(.*?)\}_\{\\text\{\w+\}\}", r"(\1)", side.replace("&", ""))
    names = {r"\cdot": "*", r"\bigl": "", r"\bigr": "", r"\tanh": "tanh", r"\sigma": "sig", r"\mathrm{ReLU}": "relu"}
    for name, instead in names.items():
        side = side.replace(name, instead)
    functions = {"tanh": math.tanh, "sig": lambda a: 1 / (1 + math.exp(-a)), "relu": lambda a: max(0.0, a)}
    return float(eval(side.strip(), {"__builtins__": {}}, functions))


def test_formulas_write_numbers_as_they_are() -> None:
    assert [tex.put(v) for v in (-20.0, 0.5, 0.25, 1 / 3, -0.0, 1e7)] == [
        *("-20", "0.5", "0.25", "0.3333", "0", r"1.000\cdot 10^{7}"),
    ]
    assert tex.products([2, -1], [0.5, -3]) == r"2\cdot 0.5 + (-1)\cdot (-3)"
    assert tex.matrix(np.array([[1, -0.5]])) == r"\begin{bmatrix}1.00 & -0.50\end{bmatrix}"


@pytest.mark.parametrize("cell_type", CELLS)
def test_all_that_formulas_need_is_there(cell_type: str) -> None:
    assert tex.formula(cell_type).count("&=") == {"lstm": 6, "gru": 4, "gru_textbook": 4, "residual": 2}.get(
        cell_type, 1
    )


def _last(cell_type: str, preset: str, text: str) -> np.ndarray:
    return walk(make(cell_type, preset, "ab"), text).states["hidden"][-1]


def test_presets_do_what_they_say() -> None:
    assert _last("rnn_relu", "counter", "aab ba").tolist() == [3, 2]
    assert walk(make("lstm", "counter", "ab"), "aabab").states["cell"][-1] == pytest.approx([3, 2], abs=1e-3)
    assert walk(make("lstm", "wipe", "ab"), "aaba").states["cell"][-1][0] == pytest.approx(1, abs=1e-3)
    assert _last("residual", "balance", "aab") == pytest.approx([math.tanh(3), -math.tanh(3)])
    for cell_type in ("rnn_tanh", "lstm", "gru", "gru_textbook"):
        first, second = _last(cell_type, "first", "abbb b"), _last(cell_type, "first", "baaa a")
        assert first[0] - first[1] > 0.7
        assert second[1] - second[0] > 0.7
    for cell_type in ("gru", "gru_textbook"):
        assert _last(cell_type, "open", "abab") == pytest.approx([0.5, -0.5], abs=1e-3)
    assert _last("rnn_tanh", "copy", "ba ").tolist() == [0, 0]


@pytest.mark.parametrize("cell_type", CELLS)
def test_every_preset_fits_any_letters(cell_type: str) -> None:
    for letters in ("a", "ab", "a{1", "abc"[:3]):
        for name in preset_names(cell_type):
            hand = make(cell_type, name, letters, 4 if name == RANDOM else 2, 3)
            assert [np.shape(table) for table in tables(hand)] == shapes(letters, hand.units, cell_type)
            assert np.isfinite(walk(hand, "ab" * 30).states["hidden"]).all()
            assert "{" not in watch(cell_type, name, "ab")[1]


def test_numbers_from_a_link_are_cut_to_what_fits() -> None:
    first = tables(make("lstm", "counter", "ab"))
    for kept in (None, 5, [], [[], [], []], [first[0], first[1]], {"a": 1}, [[["x"]]]):
        assert cleaned(kept, first) == first
    strange = json.loads(json.dumps(first))
    strange[0][0][0], strange[0][0][1], strange[0][1][0], strange[1][0][0] = 1e300, "7", None, 10**400
    found = cleaned(strange, first)
    assert found[0][0][0] == LARGEST == found[1][0][0]
    assert found[0][0][1] == first[0][0][1]
    assert found[0][1][0] == first[0][1][0]
    assert cleaned([[[math.nan] * 5] * 8, *first[1:]], first) == first
    with pytest.raises(TextError):
        walk(make("gru", "copy", "ab"), "")


def test_the_largest_weights_do_not_overflow() -> None:
    for cell_type in CELLS:
        hand = make(cell_type, RANDOM, "ab", 4)
        wild = from_tables(cell_type, "ab", [np.full_like(np.array(t), LARGEST) for t in tables(hand)])
        assert np.isfinite(walk(wild, "ab" * 31).outputs).all()


@pytest.mark.parametrize("cell_type", CELLS)
def test_one_product_equals_two(cell_type: str) -> None:
    hand = _hand(cell_type, 3)
    read = walk(hand, TEXT)
    rows = [row.values for row in step_rows(hand, read, 3) if row.name.endswith("sum")]
    for block, total in enumerate(rows):
        found = stacked(hand, read, 3, block)
        if cell_type == "gru" and block == 2:
            assert found is None
            continue
        assert found.by_one == pytest.approx(total, abs=1e-12)
        assert found.by_two == pytest.approx(total, abs=1e-12)
        assert found.difference < 1e-12
        assert found.whole.shape == (3, 6)


@pytest.mark.parametrize("cell_type", CELLS)
def test_a_row_of_a_batch_is_its_text_read_alone(cell_type: str) -> None:
    hand, texts = _hand(cell_type, 3), ["abca", "bxc", "ccab"]
    for time in range(3):
        found = batch(hand, texts, time)
        assert found.x.shape == (3, 3)
        assert found.right == pytest.approx(found.left.T, abs=1e-12)
        assert found.by_one == pytest.approx(found.by_two, abs=1e-12)
        assert found.apart < 1e-12
        for row, text in enumerate(texts):
            last = _by_hand(hand, text)[time]
            assert found.new[row] == pytest.approx(last["shown: state after"], abs=1e-12)
            named = {"hidden": "shown: state after", "update_gate": "update gate", "candidate": "candidate"}
            named |= {"candidate": "written"} if cell_type == "residual" else {}
            assert found.value[row] == pytest.approx(last[named[found.block]], abs=1e-12)
    assert not batch(hand, ["x", "ab"], 0).right[0].any()
    with pytest.raises(TextError):
        batch(hand, ["ab", "a"], 1)


def test_the_two_grus_and_the_two_meanings_of_z() -> None:
    hand = without_hidden_bias(_hand("gru", 0))
    other = other_gru(hand)
    assert other.cell_type == "gru_textbook"
    assert np.abs(walk(other, TEXT).states["hidden"] - walk(hand, TEXT).states["hidden"]).max() > 0.001
    apart = make("gru", "wipe", "ab")  # each unit hears itself alone
    same = walk(other_gru(apart), "abab").states["hidden"]
    assert walk(apart, "abab").states["hidden"] == pytest.approx(same, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_notes_gru_is_the_textbooks_with_z_turned_round(seed: int) -> None:
    hand = _hand("gru_textbook", seed)
    read, notes = walk(hand, TEXT), notes_gru(hand, TEXT)
    assert notes.states == pytest.approx(read.states["hidden"], abs=1e-12)
    assert notes.write == pytest.approx(1 - read.gates["update_gate"], abs=1e-12)
    assert np.abs(notes.write - read.gates["update_gate"]).max() > 0.1
    old = (notes.sums[-1, 1], notes.reset[-1, 1], notes.candidate[-1, 1], notes.states[-2, 1], notes.states[-1, 1])
    for shown in (tex.keeping(1, *old), tex.writing(1, *old)):
        assert shown.count(r"\underbrace") == 2
        for line in shown.replace(r"\\ &=", "=").split(r"\\")[1:]:
            values = [_value(side) for side in line.split("=")[1:]]
            assert values == pytest.approx([values[-1]] * len(values), abs=2e-3), line
        assert _value(shown.split("=")[-1]) == pytest.approx(read.states["hidden"][-1, 1], abs=5.1e-5)
    assert tex.keeping(1, *old) != tex.writing(1, *old)
    with pytest.raises(ValueError):
        notes_gru(_hand("gru", seed), TEXT)


def test_a_gate_passes_what_it_is_told_to() -> None:
    gate, place, passed = gated("ab z\u00e9", -12, 6)
    assert place.tolist() == [1, 2, 0, 26, 0]
    assert gate[0] == pytest.approx(1 / (1 + math.exp(6)))
    assert passed[1] == pytest.approx(2 * gate[1])


@pytest.mark.parametrize("cell_type", ["rnn_tanh", "rnn_relu", "residual"])
def test_the_reach_is_the_norm_of_the_jacobian(cell_type: str) -> None:
    hand = plain(cell_type, ("a", "b"), 1, 0.9)
    found = growth(hand, "abba")
    x = torch.tensor([[float(c == letter) for letter in "ab"] for c in "abba"], dtype=torch.float64)
    cell = CELLS[cell_type]

    def last(h: torch.Tensor) -> torch.Tensor:
        state = (h,)
        for row in x:
            state, _ = cell.step(hand.weights.project(row), state, hand.weights)
        return state[0]

    jacobian = torch.autograd.functional.jacobian(last, torch.zeros(3, dtype=torch.float64))
    assert found.reach[-1] == pytest.approx(float(torch.linalg.matrix_norm(jacobian, 2)))
    assert found.norms[-1] == pytest.approx(float(last(torch.zeros(3, dtype=torch.float64)).norm()))


@pytest.mark.parametrize("cell_type", ["rnn_tanh", "lstm", "gru_textbook"])
def test_a_learned_start_lowers_the_loss(cell_type: str) -> None:
    hand = make(cell_type, RANDOM, "ab", 2, 1)
    found = learn_start(hand, "bab ab", updates=15)
    assert found.losses[-1] < found.losses[0]
    assert not found.path[0].any()
    assert found.path[-1].any()
    assert found.probabilities[0] == pytest.approx(1 / 3)
    states = walk(hand.begun(found.path[-1]), "bab ab").states["hidden"][:-1]
    scores = states @ guesser(hand).T
    chance = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    losses = -np.log(chance[np.arange(6), targets(hand, "bab ab")])
    assert found.after == pytest.approx(losses)
    assert found.losses[-1] == pytest.approx(losses.mean())
    grid, surface = start_surface(hand, "bab ab", found.path)
    assert surface.shape == (len(grid), len(grid))
    middle = len(grid) // 2
    begun = hand.begun(np.stack([np.zeros(2), *found.path[-1][1:]]))
    at_zero = walk(begun, "bab ab").states["hidden"][:-1] @ guesser(hand).T
    logged = at_zero - np.log(np.exp(at_zero).sum(axis=1, keepdims=True))
    assert surface[middle, middle] == pytest.approx(-logged[np.arange(6), targets(hand, "bab ab")].mean())


def test_reading_from_the_right_and_in_pieces() -> None:
    hand = _hand("lstm", 2)
    found = backwards(hand, TEXT)
    assert found.tokens == tuple(TEXT[::-1])
    assert aligned(found)[0] == pytest.approx(found.states["hidden"][-1])
    assert aligned(found)[-1] == pytest.approx(found.states["hidden"][1])
    whole = walk(hand, TEXT)
    for size in (1, 3, 7, 9):
        carried, anew = in_pieces(hand, TEXT, size, True), in_pieces(hand, TEXT, size, False)
        for name in ("hidden", "cell"):
            assert np.array_equal(carried.states[name], whole.states[name])
        off = np.abs(anew.states["hidden"] - whole.states["hidden"]).max(axis=1)
        assert not off[: size + 1].any()
        assert (off[-1] > 1e-6) == (size < len(TEXT))


def test_dropout_masks_the_numbers_and_keeps_the_mean() -> None:
    same, fresh = masks((50, 4), 0.5, True, 1), masks((50, 4), 0.5, False, 1)
    assert set(np.unique(fresh)) == {0, 2}
    assert (same == same[0]).all()
    assert not (fresh == fresh[0]).all()
    hand = _hand("lstm", 0)
    plain_states = walk(hand, TEXT).states["hidden"]
    none = drop(hand, TEXT, rate=0, recurrent=0, same=True, seed=0)
    assert none.hidden == pytest.approx(plain_states)
    found = drop(hand, TEXT, rate=0.5, recurrent=0.5, same=False, seed=4)
    assert found.heard == pytest.approx(found.hidden[:-1] * found.masks_h)
    assert not np.allclose(found.hidden, plain_states)
    means = mean_heard(np.array([0.5, -2.0]), 0.25, 0, draws=4000)
    assert means[-1] == pytest.approx([0.5, -2.0], rel=0.05)


def test_first_weights_have_the_spread_that_is_promised() -> None:
    for units, inputs in ((64, 10), (64, 200)):
        found = first_weights(units, inputs, 0)
        for one in found.values():
            assert one.measured == pytest.approx(one.predicted, rel=0.12)
        keras, torchs = found["Keras"], found["PyTorch"]
        assert keras.weight_h @ keras.weight_h.T == pytest.approx(np.eye(units), abs=1e-12)
        assert not keras.bias.any()
        assert np.abs(torchs.weight_h).max() <= units**-0.5
        assert keras.hidden[1, 3] == pytest.approx(np.tanh(keras.weight_h @ np.tanh(keras.weight_x[:, 3])))
        assert np.abs(keras.weight_x).max() <= (6 / (units + inputs)) ** 0.5


def test_the_strip_marks_its_step_and_names_its_ends() -> None:
    scale = charts.scale_of("hidden", "lstm")
    gate = charts.scale_of("forget_gate", "lstm")
    values = np.array([0.5, -0.5, 0.0])
    spec = charts.strip_chart({"h1": (values, scale), "f1": (values, gate)}, "a\n<", "States", here=1).to_dict()
    rect, text, box = spec["layer"]
    assert rect["encoding"]["x"]["scale"]["domain"] == ["1 a", "2 \u21b5", "3 <"]
    assert "\u22121, gates 0" in rect["encoding"]["color"]["legend"]["labelExpr"]
    assert text["mark"]["type"] == "text"
    marked = spec["datasets"][box["data"]["name"]]
    assert {row["step"] for row in marked} == {"2 \u21b5"}
