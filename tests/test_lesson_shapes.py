"""One API, many shapes: shapes on the screen against Keras and PyTorch, the diagrams, the page."""

import re

import pytest
import torch
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints
from rnnviz.charts.little import odds_chart, shares_chart
from rnnviz.charts.shapes import Net, bare_chart, shape_chart
from rnnviz.lesson import shapes as arithmetic
from rnnviz.lesson.little import Recipe, shipped, task
from rnnviz.lesson.little_dates import OUT, START, translate
from rnnviz.lesson.shapes import (
    KINDS,
    Setting,
    classifier_places,
    keras_lines,
    last_step,
    places,
    pytorch_lines,
    returned,
    without_sequences,
)
from tests.conftest import STRANGE_TEXTS, run_lines, tiny_classifier

CODE = "from rnnviz import session\nfrom rnnviz.pages.lesson import shapes\nsession.keep_state()\n"
CODE += "session.guarded(shapes.render)()\n"
VIEWS = {
    "Shapes": "shapes_api",
    "Many to one": "shapes_text",
    "One to many": "shapes_numbers",
    "A label a step": "shapes_spaces",
    "Encoder and decoder": "shapes_dates",
}
SLOW = 60_000
SETTINGS = [
    Setting("lstm", 2, 3, 4, 5, 1, False, False, True),
    Setting("lstm", 2, 3, 4, 5, 2, True, True, True),
    Setting("lstm", 2, 3, 4, 5, 2, True, False, False),
    Setting("gru", 3, 1, 2, 4, 3, False, True, False),
    Setting("gru", 3, 2, 2, 4, 1, True, False, True),
    Setting("rnn", 1, 4, 1, 1, 2, False, False, True),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_keras_and_pytorch_print_the_shapes_on_the_screen(setting: Setting) -> None:
    found = returned(setting)
    assert run_lines(keras_lines(setting)).splitlines() == [f"{name} {shape}" for name, shape in found.keras]
    printed = run_lines(pytorch_lines(setting)).splitlines()
    last = returned(Setting(**{**vars(setting), "sequences": False, "state": False})).keras[0][1]
    assert printed == [*(f"{name} {shape}" for name, shape in found.pytorch), f"last {last}"]


def test_keras_refuses_what_pytorch_takes_without_a_word() -> None:
    keras = pytest.importorskip("keras")
    lower, upper = keras.layers.LSTM(16), keras.layers.LSTM(16)
    with pytest.raises(ValueError, match=r"expected ndim=3, found ndim=2"):
        upper(lower(keras.random.uniform((32, 10, 8))))
    assert without_sequences(Setting(batch=32, time=10, features=8, units=16)) == (32, 16)


def test_the_last_step_is_each_directions_final_state() -> None:
    layer = torch.nn.GRU(3, 4, batch_first=True, bidirectional=True)
    output, final = layer(torch.rand(2, 5, 3))
    assert torch.equal(last_step(output, 4), torch.cat([final[0], final[1]], dim=-1))
    assert torch.equal(last_step(output[..., :4], 4), output[:, -1, :4])


def test_shapes_of_the_four_kinds() -> None:
    setting = Setting("lstm", 8, 5, 3, 16, 2, True, classes=4, written=6)
    found = {kind: places(kind, setting) for kind in KINDS}
    assert found["many_to_one"]["out"] == (8, 32) and found["many_to_one"]["y"] == (8, 4)
    assert found["aligned"]["y"] == (8, 5, 4) and found["aligned"]["up_1"] == (8, 32)
    assert found["one_to_many"]["x_t"] == (8, 3) and found["one_to_many"]["y"] == (8, 5, 4)
    assert found["one_to_many"]["first"] == found["one_to_many"]["h"] == (8, 16)
    both = found["encoder_decoder"]
    assert both["final"] == (8, 16) and both["passed_h"] == both["passed_c"] == both["dec_h"] == (8, 32)
    assert both["x"] == (8, 5, 3) and both["y"] == (8, 6, 4) and both["fed"] == (8, 4)


def test_settings_out_of_range_are_refused_and_torchs_generator_stays() -> None:
    for wrong in ({"batch": 0}, {"layers": 9}, {"cell": "nothing"}):
        with pytest.raises(ValueError):
            Setting(**wrong)
    state = torch.get_rng_state()
    returned(Setting(batch=7))
    places("encoder_decoder", Setting(batch=7))
    assert torch.equal(torch.get_rng_state(), state)


def _texts(chart) -> list[str]:
    return [row["text"] for rows in chart.to_dict()["datasets"].values() for row in rows if row.get("text")]


@pytest.mark.parametrize("kind", ["layers", *KINDS])
@pytest.mark.parametrize("time", [1, 3, 9])
def test_every_arrow_of_a_diagram_has_its_shape(kind: str, time: int) -> None:
    setting = Setting("lstm", 2, time, 3, 7, 2, sequences=True, written=time)
    found = returned(setting).places if kind == "layers" else places(kind, setting)
    net = Net(kind, time=time, layers=2, sequences=True, state=True, written=time)
    texts = _texts(shape_chart(net, found, "title"))
    columns = min(time, 2 if kind == "encoder_decoder" else 3)
    steps = columns * (2 if kind == "encoder_decoder" else 1)
    assert texts.count("LSTM") == 2 * steps
    seen = {re.sub(r"^.*\n", "", text).removeprefix("output ") for text in texts if "(" in text}
    assert seen <= {str(shape).replace(" ", "") for shape in found.values()}
    assert "(2,3)" in seen and "(2,7)" in seen
    if time == 9:
        assert any("\u2089" in text for text in texts)


def test_pictures_of_a_question_name_nothing() -> None:
    for kind in KINDS:
        assert not _texts(bare_chart(kind))


def test_charts_of_odds_and_shares() -> None:
    found = translate(shipped("dates"), "12 March 2021")
    chart = odds_chart(found.probabilities, OUT[:START], found.wrote, "odds").to_dict()
    rows = next(iter(chart["datasets"].values()))
    assert "".join(row["character"] for row in rows if row["chosen"]) == "2021-03-12"
    part = {"a": {"accuracy": 0.99, "low": 0.98, "high": 1.0, "right": 99, "tested": 100}}
    assert "does not begin at 0" in str(shares_chart(part, "t", "form").to_dict())


@pytest.fixture
def _tiny(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_classifier(tmp_path / "tiny-last", "gru")
    tiny_classifier(tmp_path / "tiny-mean", pooling="mean")


def test_a_classifiers_shapes(tmp_path) -> None:
    model = tiny_classifier(tmp_path / "both", "lstm", bidirectional=True)
    found = classifier_places(model, "a good film")
    assert found["x"] == (1, 3, 8) and found["final"] == (1, 16) and found["out"] == (1, 32) and found["y"] == (1, 2)


def _page(view: str, *, whole: bool = False, **state: object) -> AppTest:
    """Run the page, or for speed one of its views alone."""
    code = CODE if whole else CODE.replace("import shapes\n", f"import {VIEWS[view]} as shapes\n")
    app = AppTest.from_string(code, default_timeout=100)
    app.session_state["keep_shapes_view"] = view
    for key, value in state.items():
        app.session_state[f"keep_shapes_{key}"] = value
    return app.run()


@pytest.mark.usefixtures("_tiny")
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_filled_in_even_from_a_strange_link(view: str) -> None:
    names = ("text", "number", "one", "other", "given", "form", "temperature", "steps", "shown", "seed", "share", "h")
    wrong = {f"{part}_{name}": [1] for part in ("numbers", "spaces", "dates") for name in (*names, "network")}
    wrong |= {f"api_{name}": "x" for name in ("batch", "time", "layers", "cell", "kind", "both", "sequences")}
    app = _page(view, whole=True, text=3, text_model="gone", **wrong)
    assert not app.exception and not app.error
    assert any("Look" in caption.value for caption in app.caption)
    assert app.get("vega_lite_chart")


def _tables(app: AppTest) -> list[list[str]]:
    return [table.value["shape"].tolist() for table in app.table if "shape" in table.value]


def test_ticking_a_box_changes_what_keras_returns() -> None:
    app = _page("Shapes", api_layers=1)
    assert _tables(app)[0] == ["(8, 16)"]
    app.checkbox(key="keep_shapes_api_sequences").check()
    app.checkbox(key="keep_shapes_api_state").check().run()
    assert _tables(app)[0] == ["(8, 5, 16)", "(8, 16)", "(8, 16)"]
    app.checkbox(key="keep_shapes_api_both").check()
    app.number_input(key="keep_shapes_api_time").set_value(7).run()
    assert _tables(app)[0] == ["(8, 7, 32)"] + ["(8, 16)"] * 4
    assert _tables(app)[1] == ["(8, 7, 32)", "(2, 8, 16)", "(2, 8, 16)"]
    assert "(8,7,32)" in str(app.get("vega_lite_chart")[0].proto)


@pytest.mark.usefixtures("_tiny")
@pytest.mark.parametrize(
    ("view", "key"),
    [("Many to one", "text"), ("A label a step", "spaces_text"), ("Encoder and decoder", "dates_text")],
)
@pytest.mark.parametrize("name", ["empty", "markup", "long"])
def test_strange_texts(view: str, key: str, name: str) -> None:
    app = _page(view, **{key: STRANGE_TEXTS.get(name, "")})
    assert not app.exception
    refused = name == "empty" or (name == "long" and view != "Many to one") or (name == "markup" and "dates" in key)
    assert len(app.error) == refused
    if name == "long" and not refused:
        assert "first 2,000" in app.info[0].value


def test_what_is_written_is_judged() -> None:
    assert "as it should be" in _page("One to many", numbers_number="21").success[0].value
    assert "from 0 to 999" in _page("One to many", numbers_number="12345").error[0].value


def test_nothing_but_the_state_passes() -> None:
    app = _page("Encoder and decoder", dates_text="1 May 1999")
    assert app.metric[0].value == "1999-05-01"
    app.checkbox(key="keep_shapes_dates_h").uncheck()
    app.checkbox(key="keep_shapes_dates_c").uncheck().run()
    nothing = app.metric[0].value
    app.text_input(key="keep_shapes_dates_text").set_value("3/12/21").run()
    assert app.metric[0].value == nothing != "2021-03-12"


def test_training_on_the_page_gives_a_network_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(task("numbers")), "recipe", Recipe(updates=8, batch_size=4, learning_rate=1e-3))
    app = _page("One to many", numbers_number="21")
    app.button(key="shapes_train_numbers").click().run()
    if "shapes_run_numbers" in app.session_state:
        app.session_state["shapes_run_numbers"].join()
        app.run()
    assert not app.exception
    mine = app.session_state["shapes_mine_numbers"]
    assert mine.ended == "finished" and mine.looks[-1].update == 4
    assert app.session_state["keep_shapes_numbers_network"] == "trained here"
    assert "it should be" in app.warning[0].value
    app.session_state["keep_shapes_numbers_network"] = "shipped"
    assert "as it should be" in app.run().success[0].value


def test_the_limits_of_the_page_are_those_of_the_run() -> None:
    most = Setting(**arithmetic.LIMITS, both=True)
    assert returned(most).places["out_t"] == (64, 128)


def test_a_journey_through_shapes_and_dates(page: Page, app_url: str) -> None:
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{app_url}/shapes")
    expect(page.get_by_role("heading", name="One API, many shapes", exact=True)).to_be_visible(timeout=SLOW)
    diagram = page.locator("[data-testid=stVegaLiteChart]").first
    expect(diagram.get_by_text("output (8,16)")).to_be_visible(timeout=SLOW)
    page.get_by_text("return_sequences", exact=True).first.click()
    expect(diagram.get_by_text("output (8,5,16)")).to_be_visible(timeout=SLOW)
    page.get_by_role("radio", name="Encoder and decoder", exact=True).click()
    box = page.get_by_label("A date, in any form", exact=True)
    box.fill("4th of July 1976")
    expect(page.get_by_test_id("stMetricValue")).to_have_text("1976-07-04", timeout=SLOW)
    page.get_by_text("speech recognition", exact=True).click()
    page.get_by_role("button", name="Check").nth(-2).click()
    expect(page.get_by_text("Right: speech recognition")).to_be_visible(timeout=SLOW)
    assert not wrong
