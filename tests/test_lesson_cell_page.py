"""Inside the cell as a page: filled in at first sight, bad input in one sentence, and a journey in a real browser."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints
from rnnviz.lesson.cell_presets import RANDOM
from rnnviz.record import record
from tests.conftest import STRANGE_TEXTS, tiny_classifier, tiny_language_model

SLOW = 60_000
CODE = "from rnnviz import session\nfrom rnnviz.pages.lesson import cell\nsession.keep_state()\n"
VIEWS = (
    "Step by step",
    "A trained unit",
    "Ways to write it",
    "Gates and activations",
    "Start and direction",
    "Dropout and first weights",
)


@pytest.fixture
def _models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_language_model(tmp_path / "tiny-lm")
    tiny_classifier(tmp_path / "tiny-both", bidirectional=True, num_layers=2)


def _page(**state: object) -> AppTest:
    app = AppTest.from_string(CODE + "session.guarded(cell.render)()\n", default_timeout=60)
    for key, value in state.items():
        app.session_state[f"keep_cell_{key}"] = value
    return app.run()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.usefixtures("_models")
def test_values_from_a_link_that_fit_nothing_give_the_page_as_at_first_sight(view: str) -> None:
    strange = {name: ["odd"] for name in ("kind", "preset", "seed", "units", "letters", "text", "step", "weights")}
    strange |= {name: {"a": 1} for name in ("model", "layer", "mask", "mask_seed", "rates", "piece", "forms_gate")}
    app = _page(view=view, **strange)
    assert not app.exception
    assert not app.error
    assert any("Look" in caption.value for caption in app.caption)
    assert any(button.label == "Check" for button in app.button)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.usefixtures("_models")
def test_strange_texts(view: str) -> None:
    text = STRANGE_TEXTS["markup"] + STRANGE_TEXTS["emoji"] + STRANGE_TEXTS["long"]
    app = _page(view=view, text=text, trained_text=text, gate_text=text, step=10**9, kind="gru", preset=RANDOM)
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("view", ["Step by step", "A trained unit", "Gates and activations"])
@pytest.mark.usefixtures("_models")
def test_an_empty_text_is_one_sentence(view: str) -> None:
    app = _page(view=view, text="", trained_text=" ", gate_text="")
    assert not app.exception
    assert app.error
    assert all("empty" in error.value for error in app.error)


def _cells(app: AppTest) -> list[str]:
    table = next(part.proto.body for part in app.get("html") if 'class="rv-step-box"' in part.proto.body)
    return re.findall(r'rv-value"[^>]*>([^<]*)</td>', table)


def test_steps_edits_and_presets_change_the_numbers() -> None:
    app = _page(kind="lstm", preset="counter", text="aab")
    before = _cells(app)
    assert "1.0000" in before[-6]
    next(b for b in app.button if b.label == "Next").click().run()
    assert app.session_state["keep_cell_step"] == 2
    assert _cells(app) != before
    kept = json.loads(json.dumps(app.session_state["keep_cell_weights"]))
    kept["values"][0][4][4] = 0.0  # the candidate's bias of unit 1
    app.session_state["cell_weights"] = {"edited": {"count": 7, **kept}}
    changed = _cells(app.run())
    assert not app.exception
    assert changed[-2] == "0.0000"
    assert app.session_state["keep_cell_weights"]["values"][0][4][4] == 0
    app.session_state["cell_weights"] = {"edited": {"count": 8, **kept, "of": "another network"}}
    assert _cells(app.run()) == changed
    app.selectbox(key="keep_cell_preset").set_value("copy").run()
    assert _cells(app) != changed
    assert app.session_state["keep_cell_weights"]["of"] != kept["of"]


def test_letters_must_be_few() -> None:
    assert "one to 3" in _page(letters="").error[0].value
    assert "one to 3" in _page(letters="abcd").error[0].value
    assert not _page(letters="a`{").exception


def test_a_question_reveals_what_it_asked_for() -> None:
    app = _page(view="Start and direction", text="abb bab")
    shown = len(app.get("vega_lite_chart"))
    app.button(key="show_cell-backwards").click().run()
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == shown + 1
    next(b for b in app.button if b.label == "Learn the first state").click().run()
    assert not app.exception
    first, second = app.metric[0].value, app.metric[1].value
    assert float(second.split()[0]) < float(first.split()[0])


def _asked(app: AppTest) -> list[str]:
    return [button.key.removeprefix("check_") for button in app.button if button.label == "Check"]


def _all(app: AppTest) -> str:
    return "\n".join(part.value for kind in ("markdown", "caption", "latex") for part in app.get(kind))


def test_an_index_of_the_outputs_is_not_taken_for_a_step() -> None:
    told = _all(_page(text="abb", step=2))
    assert "`output[1]` in PyTorch" in told
    assert "`output[:, 1]` in Keras" in told
    assert "step 1 of a layer" not in told


@pytest.mark.parametrize("kind", ["rnn_tanh", "lstm"])
def test_the_batch_is_read_step_by_step(kind: str) -> None:
    app = _page(view="Ways to write it", kind=kind, preset=RANDOM, forms_texts="abb bab aab", forms_batch_step=3)
    assert app.slider(key="keep_cell_forms_batch_step").max == 3
    assert "**Step 3 of all texts at once.**" in _all(app)
    apart = re.search(r"read alone: \*\*([^*]+)\*\*", _all(app))[1]
    assert float(apart.replace("\u2212", "-")) < 1e-12
    before = [part.value for part in app.latex]
    app.slider(key="keep_cell_forms_batch_step").set_value(1).run()
    assert [part.value for part in app.latex] != before
    app.text_input(key="keep_cell_forms_texts").set_value("abb b").run()
    assert not app.exception
    assert not any(slider.key == "keep_cell_forms_batch_step" for slider in app.slider)
    app.text_input(key="keep_cell_forms_texts").set_value(" ").run()
    assert "no text" in app.error[0].value


@pytest.mark.parametrize(
    ("kind", "told"), [("lstm", "another cell"), ("gru", "without b_hn"), ("gru_textbook", "chose")]
)
def test_the_notes_gru_is_shown_whatever_cell_is_chosen(kind: str, told: str) -> None:
    app = _page(view="Ways to write it", kind=kind, preset=RANDOM)
    assert told in next(part.value for part in app.markdown if part.value.startswith("**Keeps or writes.**"))
    whole = [part.value for part in app.latex]
    assert any(r"s_t &= z_t \odot n_t + (1-z_t) \odot s_{t-1}" in part for part in whole)
    keeps, writes = (next(part for part in whole if f"{letter}_1 &= " in part) for letter in "hs")
    assert keeps.split("= ")[-1] == writes.split("= ")[-1]
    assert re.search(r"by up|at most", _all(app))


@pytest.mark.usefixtures("_models")
def test_a_trained_unit_shows_its_sums_after_the_question_that_asks_for_them() -> None:
    app = _page(view="A trained unit", model="tiny-lm", trained_text="the quick fox")
    assert _asked(app) == ["cell-trained-part", "cell-trained-jump"]
    assert not app.dataframe
    assert not any("(W_x x)" in part.proto.body for part in app.get("html"))
    app.button(key="show_cell-trained-part").click().run()
    assert app.dataframe
    assert any("(W_x x)" in part.proto.body for part in app.get("html"))
    app = _page(view="A trained unit", model="tiny-lm", trained_text="the quick fox", trained_open=True)
    assert app.dataframe
    assert _asked(app) == ["cell-trained-jump"]
    assert _asked(_page(view="A trained unit", model="tiny-lm", trained_text="t")) == ["cell-trained-part"]


@pytest.mark.usefixtures("_models")
def test_the_jump_asked_for_is_the_largest_one() -> None:
    app = _page(view="A trained unit", model="tiny-lm", trained_text="the quick fox", trained_unit=3)
    app.button(key="show_cell-trained-jump").click().run()
    answer, told = app.info[-1].value.removeprefix("The answer: ").split(". The changes: ")
    sizes = dict(part.rsplit(" ", 1) for part in told.split(". Move")[0].split("; "))
    assert len(sizes) == 4
    assert max(sizes, key=lambda one: float(sizes[one])) == answer
    values = record(checkpoints.load(checkpoints.SHIPPED / "tiny-lm", device="cpu"), "the quick fox").signals["hidden"]
    assert f"step {np.abs(np.diff(values[:, 0, 2])).argmax() + 2}, " in answer


@pytest.mark.parametrize(("kind", "preset", "right"), [("rnn_tanh", "copy", 0), ("rnn_tanh", "echo", 3)])
def test_the_start_ends_on_a_question_about_the_network(kind: str, preset: str, right: int) -> None:
    """The piece is 1, so 2 is asked for: the echo differs at step 3, the copy of the letter never."""
    app = _page(view="Start and direction", kind=kind, preset=preset, text="abb bab", piece=1)
    assert _asked(app)[-1] == "cell-pieces-part"
    assert "into pieces of 2" in _all(app)
    app.button(key="show_cell-pieces-part").click().run()
    assert not app.exception
    assert app.info[-1].value.startswith(f"The answer: {right}. ")


def test_the_start_has_its_scripts_in_both_libraries() -> None:
    app = _page(view="Start and direction", text="abb bab")
    app.button(key="show_cell-backwards").click().run()
    scripts = "\n".join(part.value for part in app.code)
    assert all(
        name in scripts for name in ("go_backwards=True", ".flip(0)", "stateful=True", "def read(size, stateful)")
    )


def test_a_text_that_cannot_be_cut() -> None:
    for text in ("a", "ab"):
        app = _page(view="Start and direction", text=text)
        assert not app.exception
        assert not app.error


def test_masks_of_keras_are_told_as_they_are() -> None:
    import keras  # noqa: PLC0415 - slow

    told = _all(_page(view="Dropout and first weights"))
    assert "one mask for all gates as long as recurrent_dropout is 0; above 0 each gate gets masks of its own" in told
    ones = np.ones((1, 3), "float32")
    for layer, gates in ((keras.layers.LSTM, 4), (keras.layers.GRU, 3)):
        shared, own = layer(2, dropout=0.5).cell, layer(2, dropout=0.5, recurrent_dropout=0.5).cell
        assert tuple(shared.get_dropout_mask(ones).shape) == (1, 3)
        assert len(own.get_dropout_mask(ones)) == len(own.get_recurrent_dropout_mask(ones)) == gates
    simple = keras.layers.SimpleRNN(2, dropout=0.5, recurrent_dropout=0.5).cell
    assert tuple(simple.get_dropout_mask(ones).shape) == (1, 3)


def test_a_number_is_edited_and_the_step_changes(page: Page, app_url: str) -> None:
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{app_url}/cell")
    expect(page.get_by_role("heading", name="Inside the cell", exact=True)).to_be_visible(timeout=SLOW)
    weight = page.get_by_label("Weights and biases: row f1, column bias", exact=True)
    expect(weight).to_have_value("10", timeout=SLOW)
    forget = page.locator(".rv-step tr", has_text="forget gate").first.locator("td").first
    expect(forget).to_have_text("1.0000")
    weight.fill("-1")
    expect(forget).to_have_text("0.2689", timeout=SLOW)
    page.get_by_role("button", name="Next", exact=True).click()
    expect(page.locator(".rv-chips .rv-here")).to_have_attribute("title", "step 2", timeout=SLOW)
    kept = page.locator(".rv-step tr[data-part=kept] td").first
    expect(kept).to_have_text("0.2671", timeout=SLOW)  # 0.2689 of the 0.9932 that step 1 wrote
    expect(weight).to_have_value("-1")
    page.get_by_role("button", name="Reset to the preset").click()
    expect(forget).to_have_text("1.0000", timeout=SLOW)
    assert not wrong
