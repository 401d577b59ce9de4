"""Open issues: memory, cost, bytes kept, attention and scans against what is known of them, and the page live."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints
from rnnviz.charts.issues import cost_chart, cut_chart, growth_picture, kept_chart, reach_chart, weights_chart
from rnnviz.checkpoints import Model
from rnnviz.config import ModelConfig
from rnnviz.errors import TextError
from rnnviz.feedforward import build
from rnnviz.lesson.issues import (
    DISTANCES,
    REPLACED,
    TAKEN_OUT,
    Changed,
    Cut,
    attend,
    changed,
    cut,
    farthest,
    likeness,
    replacements,
    states_of,
)
from rnnviz.lesson.issues_cost import KINDS, Costs, linear_scan, parameters, saved_bytes, scan_lines, time_costs
from rnnviz.pages import gradients, sentiment
from rnnviz.pages.lesson import PAGES, issues_check
from rnnviz.pages.lesson.issues_where import PLACES
from rnnviz.record import predict
from rnnviz.text import CharTokenizer
from tests.conftest import STRANGE_TEXTS, run_lines, tiny_classifier, tiny_language_model

CODE = "from rnnviz import session\nfrom rnnviz.pages.lesson import issues\nsession.keep_state()\nissues.render()\n"
TEXT = "the film was good and the plot was not bad but the acting was very bad"
SLOW = 60_000


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_classifier(tmp_path / "tiny-words")
    tiny_classifier(tmp_path / "tiny-rnn", "rnn_tanh")
    tiny_language_model(tmp_path / "tiny-lm")


def _page(**state: object) -> AppTest:
    app = AppTest.from_string(CODE, default_timeout=60)
    for key, value in {"text": TEXT, "words": TEXT, **state}.items():
        app.session_state[f"keep_issues_{key}"] = value
    return app.run()


def _said(app: AppTest) -> str:
    return " ".join(element.value for element in (*app.markdown, *app.caption, *app.info, *app.success))


@pytest.mark.parametrize("how", [REPLACED, TAKEN_OUT])
def test_a_change_is_followed_to_the_end(how: str, tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "rnn", "rnn_tanh", pooling="last")
    found = changed(model, TEXT, how)
    assert found.distances.tolist() == [d for d in DISTANCES if d < 15]
    words = TEXT.split()
    true = predict(model, TEXT).probabilities[-1]
    if how == TAKEN_OUT:
        other = predict(model, " ".join(words[: -1 - 3] + words[-3:])).probabilities[-1]
        assert found.divergence[2] == pytest.approx(float((true * np.log(true / other)).sum()), rel=1e-3)
    assert found.moved[0] > 10 * found.moved[-1] > 0, "this small network forgets"
    with pytest.raises(TextError):
        changed(model, "good film", how)


@pytest.mark.parametrize("letters", ["a", "ab", "abc", "abcd"])
def test_a_network_that_knows_few_letters(letters: str, tmp_path: Path) -> None:
    tokenizer = CharTokenizer.fit(letters)
    size = len(tokenizer)
    config = ModelConfig("language_model", "rnn_tanh", size, size, 4, 8)
    checkpoints.save(tmp_path / "few", build(config), tokenizer, {"name": "few"})
    model = checkpoints.load(tmp_path / "few", device="cpu")
    found = changed(model, (letters * 9)[:9], REPLACED)
    assert (found.moved > 0).all() and len(replacements(model)) == min(3, size)


def test_how_far_back_a_change_reaches() -> None:
    found = Changed(np.array([1, 2, 5]), np.array([0.5, 0.02, 0.001]), np.zeros(3))
    assert (found.reach(), found.reach(0.6)) == (2, 0)


def test_where_measuring_stopped_no_network_is_called_the_farthest() -> None:
    def of(*moved: float) -> Changed:
        return Changed(np.array([1, 2, 5, 8][: len(moved)]), np.array(moved), np.zeros(len(moved)))

    short, middle, open_end, far = of(1, 0, 0), of(1, 1, 0), of(1, 1, 1), of(1, 1, 1, 0)
    assert [one.is_cut_off for one in (short, middle, open_end, far)] == [False, False, True, False]
    assert farthest([short, middle]) == 1 and farthest([open_end, middle]) == 0
    assert farthest([middle, short, middle]) == 3, "equally far, and nothing was cut off"
    for unsure in ([open_end, short, open_end], [open_end, far], [far, open_end], [open_end, of(1, 1, 1, 1)]):
        assert farthest(unsure) is None


def test_less_context_is_the_loss_of_a_shorter_text(tmp_path: Path) -> None:
    model = tiny_language_model(tmp_path / "lm")
    text = "the lazy dog jumps over the quick brown fox."
    found = cut(model, text)
    ids = model.tokenizer.encode(text)
    places = np.unique(np.linspace(22, 43, found.targets).astype(int))
    losses = []
    for place in places:
        logits = model.network(torch.from_numpy(ids[None, place - 5 : place])).logits[0, -1]
        losses.append(-float(torch.log_softmax(logits, dim=-1)[ids[place]]))
    assert found.loss_nats[found.contexts.tolist().index(5)] == pytest.approx(np.mean(losses), abs=1e-5)
    whole = [
        -float(torch.log_softmax(model.network(torch.from_numpy(ids[None, :p])).logits[0, -1], dim=-1)[ids[p]])
        for p in places
    ]
    assert found.full_nats == pytest.approx(np.mean(whole), abs=1e-5)
    assert cut(tiny_classifier(tmp_path / "words"), TEXT).targets == 1
    steady = Cut(np.array([1, 2, 5]), np.array([2.0, 1.2, 1.02]), 1.0, 1)
    assert steady.enough == 5
    assert Cut(steady.contexts, np.array([1.0, 2.0, 2.0]), 1.0, 1).enough is None


def test_attention_by_hand(classifier: Model) -> None:
    states = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [9.0, 9.0]])
    found = attend(("a", "b", "c", "d"), states, 2, scaled=False)
    weights = np.exp([1.0, 2.0, 2.0]) / np.exp([1.0, 2.0, 2.0]).sum()
    np.testing.assert_allclose(found.weights, weights)
    scaled = np.exp(np.array([1.0, 2.0, 2.0]) / 2**0.5)
    np.testing.assert_allclose(attend(found.tokens, states, 2).weights, scaled / scaled.sum())
    assert likeness(states[:3]) == pytest.approx(0.5**0.5 / 2) and likeness(states[:1]) is None
    tokens, seen = states_of(classifier, TEXT)
    assert seen.shape == (len(tokens), classifier.config.hidden_size) and tokens[:2] == ("the", "film")


def test_times_are_measured_and_slopes_are_exponents() -> None:
    told: list[float] = []
    found = time_costs(4, (2, 4, 8), limit=1e-9, progress=told.append)
    assert set(found.seconds) == set(KINDS) and found.rounds == 1 and len(told) == 3
    assert all((seconds > 0).all() and seconds.shape == (3,) for seconds in found.seconds.values())
    exact = Costs((64, 128, 256, 512), {"square": np.array([9.0, 1.0, 4.0, 16.0])}, 1, 1)
    assert exact.slope("square") == pytest.approx(2.0)


@pytest.mark.parametrize(("cell", "numbers"), [("rnn_tanh", 2), ("lstm", 8)])
def test_bytes_grow_with_the_steps_and_stop_where_truncated(cell: str, numbers: int) -> None:
    short, long = saved_bytes(cell, 8, 2, 10), saved_bytes(cell, 8, 2, 20)
    assert long - short == 10 * numbers * 8 * 2 * 4
    assert saved_bytes(cell, 8, 2, 20, 10) == pytest.approx(short, rel=0.05)
    assert saved_bytes(cell, 8, 4, 20) == pytest.approx(2 * long, rel=0.02)


def test_a_scan_in_rounds_is_the_loop() -> None:
    found = linear_scan(0.5, [1, 2, 3, 4, 5])
    assert found.loop.tolist() == [1, 2.5, 4.25, 6.125, 8.0625] and found.gap < 1e-12 and len(found.rounds) == 4
    assert found.rounds[1].tolist() == [1, 2.5, 4, 5.5, 7]
    np.testing.assert_allclose(linear_scan(1, range(9)).rounds[-1], np.cumsum(range(9)))
    for script in scan_lines(0.5, [1, 2, 3, 4, 5]):
        printed = [[float(number) for number in line.split()] for line in run_lines(script).splitlines()]
        np.testing.assert_allclose(printed, [found.loop, found.loop], atol=1e-5)


def test_weights_are_counted() -> None:
    assert parameters("lstm", 100, 64) == 4 * (64 * 164 + 128)


def test_charts_stand_on_what_is_given() -> None:
    lines = {"one": (np.array([1, 2]), np.array([0.5, 0.0])), "two": (np.array([1, 3]), np.array([0.1, 1e-3]))}
    drawn = reach_chart(lines, "title", "left").to_dict()
    values = next(iter(drawn["datasets"].values()))
    assert min(row["shown"] for row in values) > 0 == min(row["left"] for row in values)
    assert cut_chart(lines, 0.05).to_dict()["layer"][0]["mark"]["type"] == "rect"
    cost = cost_chart((16, 32), {"one": np.array([1e-3, 2e-3])}).to_dict()["layer"][0]["encoding"]
    assert cost["x"]["scale"]["type"] == cost["y"]["scale"]["type"] == "log"
    picture = growth_picture(2, (16, 32)).to_dict()
    assert [row["time"] for row in next(iter(picture["datasets"].values()))] == [1, 4]
    assert picture["encoding"]["y"]["title"] == "times as many"
    kept = kept_chart((1, 2), {"one": np.array([1e6, 2e6])}).to_dict()
    assert {row["megabytes"] for rows in kept["datasets"].values() for row in rows} == {1.0, 2.0}
    bars = weights_chart(("<b>", "<b>"), np.array([0.25, 0.75]), 1).to_dict()
    assert len({row["word"] for rows in bars["datasets"].values() for row in rows if "word" in row}) == 2


def test_every_page_of_the_app_is_in_the_table() -> None:
    linked = set(re.findall(r"\]\(/(\w+)\)", " ".join(where for part in PLACES.values() for _, where in part)))
    assert linked == {*PAGES, "gradients", "sentiment", "neurons"}


def test_views_are_called_what_their_pages_call_them() -> None:
    views = {"sentiment": sentiment._VIEWS, "gradients": gradients._VIEWS}
    named = [
        found for part in PLACES.values() for _, where in part for found in re.findall(r"/(\w+)\) \((.+?)\)", where)
    ]
    assert len(named) >= 8
    for page, names in named:
        assert set(names.split(", ")) <= set(views[page])


def test_a_mask_is_not_said_to_be_no_help() -> None:
    assert not any("mask" in option for option in issues_check._remedies().options)


def test_the_page_answers(models: None) -> None:
    app = _page()
    assert not app.exception and not app.error
    assert "Where to find what" in [heading.value for heading in app.header]
    app.button(key="issues_cut_button").click().run()
    assert "grey band" in _said(app) and not app.exception
    app.text_input(key="keep_issues_numbers").set_value("1 2 3 4 5").run()
    app.number_input(key="answer_issues-rounds_" + _digest(app, "issues-rounds")).set_value(3)
    app.button(key="check_issues-rounds").click().run()
    assert "Right: 3 rounds" in _said(app)
    assert [column for frame in app.dataframe for column in frame.value if column.startswith("after round")]
    app.text_input(key="keep_issues_numbers").set_value("one two").run()
    assert "Type 2 to 32 numbers" in app.error[0].value


def test_captions_tell_what_was_done_on_this_text(models: None) -> None:
    app = _page(models=["tiny-words", "tiny-rnn"], scaled=False, words=" ".join([TEXT] * 5))
    app.button(key="issues_cut_button").click().run()
    said = _said(app)
    assert "For tiny\\-words, tiny\\-rnn a token is a word" in said and "a token is a character" not in said
    tokens = replacements(checkpoints.load(checkpoints.SHIPPED / "tiny-rnn"))
    assert all(f"\u201c{token}\u201d" in said for token in tokens)
    assert "next character" not in said and "a classifier for the answer" in said
    assert "sqrt" not in app.latex[0].value
    assert app.selectbox(key="keep_issues_query").options[-1].startswith("80 bad, the final state")
    assert "The state after word 80 is the query" in said and "from word 21 to the answer after word 80" in said
    assert "The median cosine" in said and "changes little in one step" not in said
    app.multiselect(key="keep_issues_models").set_value(["tiny-lm"]).run()
    app.button(key="issues_cut_button").click().run()
    assert "next character at 12 places" in _said(app) and "a token is a word" not in _said(app)


def test_a_text_too_short_for_a_measurement_leaves_no_bar(models: None) -> None:
    app = _page(text="good bad film plot")
    app.button(key="issues_cut_button").click().run()
    assert "at least 8 tokens" in app.error[0].value and not app.get("progress")


@pytest.mark.parametrize(("threads", "said"), [(1, True), (2, False)])
def test_one_thread_is_spoken_of_where_there_is_one(threads: int, said: bool) -> None:
    code = (
        "import numpy as np\nfrom rnnviz.lesson.issues_cost import KINDS, Costs\n"
        "from rnnviz.pages.lesson import issues_cost\nseconds = dict.fromkeys(KINDS, np.array([1e-3, 2e-3, 4e-3]))\n"
        f"issues_cost._show(8, Costs((64, 128, 256), seconds, 1, {threads}))\n"
    )
    app = AppTest.from_string(code).run()
    assert not app.exception
    assert ("On one thread nothing runs in parallel" in _said(app)) == said


def _digest(app: AppTest, key: str) -> str:
    return next(n.key.rpartition("_")[2] for n in app.number_input if n.key.startswith(f"answer_{key}_"))


def test_strange_texts(models: None) -> None:
    strange = " ".join([*STRANGE_TEXTS.values(), "zzz", "word " * 3000])
    app = _page(text=strange, words=strange, models=["tiny-words", "tiny-lm"])
    assert not app.exception and not app.error
    app = _page(text="zzz", words=" ")
    assert not app.exception
    assert sorted(error.value[:18] for error in app.error) == ["The text is too sh", "There is no word i"]


def test_kept_values_that_do_not_fit(models: None) -> None:
    strange = {"models": [[], 3], "how": 1, "seen": {}, "width": "64", "cell": None, "query": -5, "scaled": "no"}
    app = _page(**strange, numbers=5, factor="x", text=1, words=[], reader=0, bptt=[], units=9, batch=True)
    assert not app.exception and not app.error
    assert "Choose at least one network." in _said(app)


def test_the_measurement_in_a_browser(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/issues")
    box = page.get_by_label("Text for attention", exact=True)
    expect(box).to_be_visible(timeout=SLOW)
    box.fill("A film that bores")
    box.press("Control+Enter")
    expect(page.get_by_text("an even share of", exact=False).first).to_contain_text("of 4 words", timeout=SLOW)
    numbers = page.get_by_label("Inputs x, numbers")
    numbers.fill("2 4 6")
    numbers.press("Enter")
    expect(page.get_by_text("You have 3 inputs, and the loop takes 3 steps", exact=False)).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Measure on this computer").click()
    expect(page.get_by_text("What was measured.")).to_be_visible(timeout=SLOW)
    expect(page.get_by_text("attention, slope", exact=False).first).to_be_visible(timeout=SLOW)
