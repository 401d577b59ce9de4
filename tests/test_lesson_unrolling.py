"""Unrolling: folds, the loop with one set of weights, one more token, starts, the chain component, and the page."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints
from rnnviz.cells import CELLS, Weights
from rnnviz.charts.palette import Scale
from rnnviz.components.chain import Chain, Lane, Phase, Program, _data
from rnnviz.errors import ConfigError, TextError
from rnnviz.lesson import unrolling_cell as cells
from rnnviz.lesson.unrolling import FOLDS, MOST_STEPS, characters, fold, numbers, round_up, words
from rnnviz.lesson.unrolling_lines import keras_lines, torch_lines
from tests.conftest import STRANGE_TEXTS, run_lines, tiny_classifier, tiny_language_model

SLOW = 60_000
READ = ["The", "film", "was", "not", '"bad"', "at", "all"]
CODE = (
    "from rnnviz import session\nfrom rnnviz.pages.lesson import unrolling\n"
    "session.keep_state()\nsession.guarded(unrolling.render)()\n"
)


@pytest.fixture
def tiny_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_language_model(tmp_path / "tiny-lm")
    tiny_classifier(tmp_path / "both-ways", bidirectional=True)


def test_folds_give_what_numpy_gives() -> None:
    values = [3.0, -1.0, 4.0, 1.5]
    assert fold("sum", values).outputs.tolist() == np.cumsum(values).tolist()
    assert fold("largest", values).outputs.tolist() == [3, 3, 4, 4]
    assert fold("mean", values).outputs == pytest.approx(np.cumsum(values) / [1, 2, 3, 4])
    text = "An eel, seen  Elsewhere"
    assert fold("letter", text, "E").outputs[-1] == text.lower().count("e")
    assert fold("words", text).outputs[-1] == len(text.split())
    assert fold("words", text).states[:, 1].tolist() == [0, *(float(c != " ") for c in text)]
    for name in FOLDS:
        run = fold(name, values if FOLDS[name].reads == "numbers" else "ab")
        assert len(run.states) == len(run.tokens) + 1 == len(run.told) + 1


@pytest.mark.parametrize("text", ["", "  ", "3 x 4", "nan", "inf", "1e9", "<script>"])
def test_what_is_no_sequence_of_numbers_is_one_sentence(text: str) -> None:
    with pytest.raises(TextError, match="number"):
        numbers(text)


def test_texts_are_cut_and_empty_ones_refused() -> None:
    assert numbers("1, 2;3 \u22124") == [1, 2, 3, -4]
    assert numbers("1e6 -1000000") == [1e6, -1e6]
    assert len(characters("w" * 3000)) == len(numbers("1 " * 3000)) == MOST_STEPS
    for read in (words, characters):
        with pytest.raises(TextError):
            read(" \n")
    assert [round_up(v) for v in (0.0, 1.0, 1.2, 31, 50, 51, 1000)] == [1, 1, 2, 50, 50, 100, 1000]


@pytest.mark.parametrize("cell", cells.HAND_CELLS)
def test_one_shared_tensor_unrolled_gives_the_loops_numbers(cell: str) -> None:
    network, ids = cells.hand_network(READ, cell)
    run = cells.run_loop(network, ids, READ)
    assert run.apart < 1e-12
    layer = network.recurrent[0]["d"]
    w_x, w_h, b = (getattr(layer, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih"))
    state = tuple(torch.zeros(cells.UNITS, dtype=torch.float64) for _ in CELLS[cell].states)
    for t, word in enumerate(READ):
        copies = Weights(w_x.clone(), w_h.clone(), b.clone(), layer.bias_hh_l0.clone())  # a box with its own copy
        x = torch.tensor(cells.features(word), dtype=torch.float64)
        state, _ = CELLS[cell].step(copies.project(x), state, copies)
        for name, part in zip(CELLS[cell].states, state, strict=True):
            assert run.states[name][t + 1] == pytest.approx(part.numpy(), abs=1e-14)


def test_one_changed_weight_changes_every_state_after_the_start() -> None:
    network, ids = cells.hand_network(READ, "rnn_tanh")
    other, _ = cells.hand_network(READ, "rnn_tanh", {"W_x[0, 0]": 0.2})
    assert cells.weight(network, "W_x[0, 0]") != cells.weight(other, "W_x[0, 0]") == 0.2
    apart = np.abs(
        cells.run_loop(network, ids, READ).states["hidden"] - cells.run_loop(other, ids, READ).states["hidden"]
    )
    assert not apart[0].any() and (apart[1:, 0] > 1e-6).all()
    assert "b[1]" in cells.weight_names("rnn_tanh") and "b[2]" not in cells.weight_names("rnn_tanh")


def test_torch_s_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    cells.starts(*cells.hand_network(READ), READ)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("cell", cells.HAND_CELLS)
def test_one_more_token_and_the_starts(cell: str) -> None:
    network, ids = cells.hand_network(READ, cell)
    found = cells.one_more(network, ids)
    assert found.steps == len(READ) - 1 and found.apart < 1e-12
    assert found.anew == pytest.approx(cells.run_loop(network, ids, READ).states["hidden"][-1], abs=1e-12)
    runs = cells.starts(network, ids, READ)
    losses = {name: cells.next_length_loss(run, network, ids) for name, run in runs.items()}
    assert losses["learned"] < losses["zero"]
    assert not runs["zero"].states["hidden"][0].any() and runs["random"].states["hidden"][0].any()
    assert all(run.apart < 1e-12 for run in runs.values())


def test_a_trained_model_is_run_by_the_same_loop(tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "tiny")
    run = cells.watch(model, "not a bad film")
    assert run.apart < 1e-6 and run.outputs.sum(axis=1) == pytest.approx(1.0)
    assert cells.watch_one_more(model, "not a bad film").apart < 1e-6
    assert cells.watch_one_more(model, "not bad").steps == 1
    long = cells.watch_one_more(model, "film " * MOST_STEPS + "bad")
    assert long.steps == MOST_STEPS - 1
    assert long.anew == pytest.approx(
        cells.watch(model, "film " * (MOST_STEPS - 1) + "bad").states["hidden"][-1], abs=1e-6
    )
    with pytest.raises(ConfigError, match="both ways"):
        cells.watch(tiny_classifier(tmp_path / "both", bidirectional=True), "film")


@pytest.mark.parametrize("cell", cells.HAND_CELLS)
def test_the_scripts_print_the_page_s_numbers(cell: str) -> None:
    network, ids = cells.hand_network(READ, cell, {"W_h[0, 1]": -0.7})
    run = cells.run_loop(network, ids, READ)
    for script, times in ((torch_lines(network, READ, run.inputs), 2), (keras_lines(network, READ, run.inputs), 3)):
        printed = [line.split() for line in run_lines(script).splitlines()]
        assert [eval(line[0]) for line in printed] == READ
        found = np.array([[float(v) for v in line[1:]] for line in printed])
        expected = run.states["hidden"][1:]
        assert found == pytest.approx(np.tile(expected, times), abs=1e-6)


def _chain(**changes: object) -> Chain:
    program = Program(("a", "b", "c"), 0, (Phase(1, "cell"),), 2)
    states = (Lane("h", np.array([[0.0], [np.inf], [-1.0]]), Scale(-1, 1, False)),)
    return Chain(**{"tokens": ("x", "\n"), "states": states, "program": program, **changes})


def test_a_chain_is_json_with_signs_for_what_json_lacks() -> None:
    shown = _chain()
    data = _data(shown)
    assert data["tokens"] == ["x", "\u21b5"] and shown.places == 4
    assert data["states"][0]["rows"] == [[0.0], ["\u221e"], [-1.0]]
    assert data["states"][0]["shades"] == [[128], [255], [0]]


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": ()},
        {"tokens": ("x",)},
        {"states": ()},
        {"told": ("one",)},
        {"outputs": Lane("y", np.zeros((3, 1)))},
    ],
)
def test_a_chain_that_does_not_fit_is_refused(changes: dict) -> None:
    with pytest.raises(ValueError):
        _chain(**changes)


def test_a_program_that_does_not_fit_is_refused() -> None:
    for phases in ((Phase(9, "cell"),), (Phase(0, "input"),), (Phase(0, "cell"), Phase(1, "cell"))):
        with pytest.raises(ValueError):
            Program(("a", "b"), 0, phases, 1)


def _page(**state: object) -> AppTest:
    app = AppTest.from_string(CODE, default_timeout=60)
    for key, value in state.items():
        app.session_state[f"keep_unrolling_{key}"] = value
    return app.run()


def _metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_the_page_is_filled_in(tiny_models: None) -> None:
    app = _page()
    assert not app.exception and not app.error
    assert app.title[0].value == "Unrolling"
    assert _metrics(app)["Weights of the loop"] == "10"
    assert _metrics(app)["Without sharing"] == "70"
    assert len([b for b in app.button if b.key.startswith("check_")]) == 7
    app.segmented_control(key="keep_unrolling_cell").set_value("lstm").run()
    assert _metrics(app)["Weights of the loop"] == "40"
    app.selectbox(key="keep_unrolling_network").set_value("tiny-lm").run()
    assert not app.exception and not app.error
    assert any("tiny-lm" in caption.value for caption in app.caption)


def test_odd_links_and_texts(tiny_models: None) -> None:
    odd = {"fold": "none", "numbers": 3, "cell": [1], "weight": {}, "network": "x", "shows": None, "seed": "a"}
    app = _page(**odd, chain_scan={"at": "x", "speed": 99}, knobs={"rnn_tanh W_h[0, 0]": "x"}, words=None, next=2)
    assert not app.exception and not app.error
    text = " ".join(STRANGE_TEXTS.values())
    app = _page(words=text, text=text, fold="words", next="<script>")
    assert not app.exception and not app.error
    told = " ".join(info.value for info in app.info)
    assert all(f"first {most}" in told for most in (MOST_STEPS, MOST_STEPS - 1, 60))
    app = _page(words=" ", numbers="one two")
    assert not app.exception
    assert {"number" in error.value or "empty" in error.value for error in app.error} == {True}


def test_a_journey(page: Page, app_url: str) -> None:
    """Type numbers, go to the start, step forward, and read the state; then change a weight in every box."""
    page.goto(f"{app_url}/unrolling")
    first = page.locator(".rv-chain").first
    said = first.locator(".rv-chain-said")
    expect(said).to_be_visible(timeout=SLOW)
    box = page.get_by_label("Numbers", exact=True)
    box.fill("10 20 30")
    box.press("Enter")
    expect(first.locator(".rv-token").first).to_have_text(re.compile("10|20"), timeout=SLOW)
    first.get_by_role("button", name="Restart").click()
    expect(said).to_contain_text("Before the first step: state = 0")
    expect(first.locator(".rv-lit")).to_have_text("state = 0")
    for _ in range(2):
        first.get_by_role("button", name="Next step").click()
    expect(said).to_contain_text("Step 2 of 3, input 20: state = 30")
    first.locator(".rv-chain-figure").press("ArrowLeft")
    first.locator(".rv-chain-figure").press("End")
    expect(said).to_contain_text("After all 3 steps: state = 60")
    cell = page.locator(".rv-chain").nth(1)
    before = cell.locator(".rv-weight").all_text_contents()
    knob = page.get_by_label("W_h[0, 0]", exact=True).last
    knob.focus()
    knob.press("Home")
    expect(cell.locator(".rv-moved").first).to_be_visible(timeout=SLOW)
    boxes = cell.locator(".rv-box").count()
    assert cell.locator(".rv-moved").count() == boxes
    assert cell.locator(".rv-weight").all_text_contents().count("\u22122") == boxes + before.count("\u22122")
