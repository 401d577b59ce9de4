"""Inside the cell as a page: filled in at first sight, bad input in one sentence, and a journey in a real browser."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints
from rnnviz.lesson.cell_presets import RANDOM
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
