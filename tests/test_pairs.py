"""Two texts side by side: alignment against a plain edit distance, flips and bags by hand, the view and its charts."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints, session
from rnnviz.analysis.aligned import (
    ONLY_ONE,
    ONLY_TWO,
    REPLACED,
    SAME,
    Alignment,
    Flip,
    align,
    bags_of,
    first_flip,
    most_different,
    spread,
)
from rnnviz.charts.aligned import Pair, aligned_html, bags_html, difference_chart, pair_chart
from rnnviz.charts.palette import Scale, scale_of
from rnnviz.config import ModelConfig
from rnnviz.network import seeded_network
from rnnviz.pages.sentiment.pairs import LONGEST_PAIR, PAIRS
from rnnviz.text import WordTokenizer
from tests.conftest import STRANGE_TEXTS, tiny_classifier

CODE = "from rnnviz import session\nfrom rnnviz.pages.sentiment import pairs\nsession.keep_state()\n"
EASY = PAIRS["easy not difficult / difficult not easy"]
GOOD = PAIRS["good / not good"]
SLOW = 60_000


def _pair(one: str, two: str, **more: object) -> Pair:
    first, second = tuple(one.lower().split()), tuple(two.lower().split())
    return Pair(first, second, align(first, second), **more)


def _least_cost(one: tuple[str, ...], two: tuple[str, ...]) -> int:
    """The edit distance by its definition: a gap costs 4, another word 5."""

    @cache
    def cost(i: int, j: int) -> int:
        if not (i and j):
            return 4 * (i + j)
        change = 0 if one[i - 1] == two[j - 1] else 5
        return min(cost(i - 1, j - 1) + change, cost(i - 1, j) + 4, cost(i, j - 1) + 4)

    return cost(len(one), len(two))


def test_an_alignment_has_the_least_cost_and_leaves_no_word_out() -> None:
    rng = np.random.default_rng(0)
    prices = {SAME: 0, REPLACED: 5, ONLY_ONE: 4, ONLY_TWO: 4}
    for _ in range(60):
        one, two = (tuple(rng.choice(list("abcd"), rng.integers(1, 9))) for _ in range(2))
        found = align(one, two)
        assert [i for i in found.one.tolist() if i >= 0] == list(range(len(one)))
        assert [j for j in found.two.tolist() if j >= 0] == list(range(len(two)))
        for i, j, kind in zip(found.one.tolist(), found.two.tolist(), found.kinds, strict=True):
            expected = ONLY_TWO if i < 0 else ONLY_ONE if j < 0 else SAME if one[i] == two[j] else REPLACED
            assert kind == expected
        assert sum(prices[kind] for kind in found.kinds) == _least_cost(one, two)


def test_minimal_pairs_are_aligned_as_a_person_would() -> None:
    assert _pair(*GOOD).alignment.kinds == (SAME, SAME, SAME, ONLY_TWO, SAME)
    assert _pair(*EASY).alignment.kinds == (SAME, SAME, SAME, REPLACED, SAME, REPLACED)
    assert _pair("not bad", "bad").alignment.kinds == (ONLY_ONE, SAME)
    assert _pair(*GOOD).labels() == ["1 the", "2 film", "3 was", "4 \u2013 / not", "5 good"]


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one word"):
        align((), ("a",))


def test_values_stand_at_their_words_and_gaps_have_none() -> None:
    found = spread(np.array([[1.0], [2.0]], dtype=np.float32), np.array([0, -1, 1]))
    assert found[[0, 2]].ravel().tolist() == [1.0, 2.0]
    assert np.isnan(found[1]).all()


def test_the_first_flip_by_hand() -> None:
    one = np.array([[0.9, 0.05, 0.2], [np.nan] * 3, [0.5, -0.3, 0.4], [0.9, 0.9, 0.9]])
    two = np.array([[0.8, -0.05, 0.2], [-0.9] * 3, [0.5, 0.4, -0.2], [-0.9] * 3])
    assert first_flip(one, two) == Flip(2, 1, -0.3, 0.4, 1), "small values and gaps do not count"
    assert first_flip(one[:2], two[:2]) is None
    gates = np.array([[0.7, 0.55]]), np.array([[0.3, 0.45]])
    assert first_flip(*gates) is None
    assert first_flip(*gates, middle=0.5) == Flip(0, 0, 0.7, 0.3, 0)


def test_the_most_different_units_and_those_asked_for() -> None:
    difference = np.array([[0.1, -0.9, 0.3, 0.2], [np.nan] * 4])
    assert most_different(difference, 2).tolist() == [1, 2]
    assert most_different(difference, 2, [0]).tolist() == [1, 0]
    assert most_different(difference, 9).tolist() == [1, 2, 3, 0]


def test_bags() -> None:
    equal = bags_of(*(text.split() for text in EASY))
    assert (equal.distance, equal.differing) == (0, ())
    assert sorted(equal.words) == sorted(EASY[0].split())
    other = bags_of(["a", "b", "b"], ["b", "c"])
    assert (other.distance, other.differing) == (3, ("b", "a", "c"))
    assert [other.one.tolist(), other.two.tolist()] == [[2, 1, 0], [1, 0, 1]]


def _datasets(chart: dict) -> pd.DataFrame:
    return pd.concat([pd.DataFrame(rows) for rows in chart["datasets"].values()])


def test_both_texts_share_the_axes_and_a_gap_has_no_point() -> None:
    chart = pair_chart(_pair(*GOOD), np.linspace(0, 1, 4), np.linspace(0, 1, 5), "positive", True).to_dict()
    data = _datasets(chart)
    assert (data["network"] == "text one").sum() == 4
    assert data[data["slot"] == "4 \u2013 / not"]["network"].tolist() == ["text two"]
    line = next(layer for layer in chart["layer"] if layer["mark"]["type"] == "line")["encoding"]
    assert line["y"]["scale"]["domain"] == [0, 1]
    assert line["strokeDash"]["scale"]["range"][0] != line["strokeDash"]["scale"]["range"][1]
    assert line["x"]["scale"]["domain"] == _pair(*GOOD).labels()
    assert data["half"].dropna().tolist() == [0.5]
    assert "half" not in _datasets(pair_chart(_pair("a", "a"), np.ones(1), np.ones(1), "neutral", False).to_dict())


@pytest.mark.parametrize(
    ("scale", "reach", "shown"),
    [
        (scale_of("hidden", "lstm"), 2, 1.5),
        (scale_of("forget_gate", "lstm"), 1, 1.5),
        (scale_of("cell", "lstm"), 2, None),
    ],
)
def test_differences_have_a_fixed_symmetric_scale(scale: Scale, reach: float, shown: float | None) -> None:
    pair = _pair("a b", "a c d")
    one, two = (np.full((3, 2), value) for value in (-0.5, 1.0))
    one[1] = np.nan
    assert pair.alignment.kinds.count(ONLY_TWO) == 1
    pair.alignment.one[:], pair.alignment.two[:] = [0, -1, 1], [0, 1, 2]
    chart = difference_chart(pair, one, two, np.array([1, 0]), scale, "hidden", Flip(2, 1, -0.5, 1.0, 1)).to_dict()
    heat = next(layer for layer in chart["layer"] if "color" in layer["encoding"])["encoding"]
    assert heat["color"]["scale"]["domain"] == [-reach, reach]
    assert heat["y"]["scale"]["domain"] == ["1", "0"]
    cells = _datasets(chart).dropna(subset=["shown"])
    assert len(cells) == 4, "a gap has no colour"
    assert cells["difference"].unique().tolist() == [1.5]
    assert cells["shown"].iloc[0] == pytest.approx(shown or np.tanh(1) - np.tanh(-0.5), abs=1e-3)


def test_words_are_text_everywhere() -> None:
    pair = _pair("<b>bad</b> film", "good <script>", unknown=frozenset({"<script>"}))
    for html in (aligned_html(pair), bags_html(bags_of(pair.one, pair.two), pair.unknown)):
        assert "<script>" not in html
        assert "&lt;script&gt;" in html
        assert "outside the vocabulary" in html
    assert aligned_html(pair, most=1).count("<bdi") == 2


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny models, so that the view holds whatever is shipped."""
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_classifier(tmp_path / "imdb-lstm")
    return tmp_path


def _view(**state: object) -> AppTest:
    app = AppTest.from_string(CODE + "session.guarded(pairs.render)()\n", default_timeout=60)
    for key, value in state.items():
        app.session_state[f"keep_{key}"] = value
    return app.run()


def _said(app: AppTest) -> str:
    return " ".join(element.value for element in (*app.markdown, *app.caption))


def test_first_sight_and_the_lecture_s_pair(models: Path) -> None:
    app = _view()
    assert not app.exception
    assert not app.error
    assert "The two bags differ in \u201cnot\u201d" in _said(app)
    assert len(app.get("vega_lite_chart")) == 2
    app.button_group(key="sentiment_pair").set_value("easy not difficult / difficult not easy").run()
    assert not app.exception
    assert (app.text_area(key="keep_pair_one").value, app.text_area(key="keep_pair_two").value) == EASY
    assert "The two bags are equal" in _said(app)
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["Difference of the two bags, in words"] == "0"
    model = session.load_model("imdb-lstm")
    one, two = (session.prediction(model, text).final["positive"] for text in EASY)
    assert metrics["Text one: positive"] == f"{one:.1%}"
    shown = metrics["Difference of the network\u2019s answers"].replace("\u2212", "-").removesuffix(" points")
    assert float(shown) == pytest.approx(100 * (two - one), abs=0.06)


def test_a_text_of_one_s_own_leaves_the_examples(models: Path) -> None:
    app = _view(pair_one="good film", pair_two="good film")
    assert app.session_state["sentiment_pair"] is None
    assert "are the same" in _said(app)
    assert "No unit flips" in _said(app)


@pytest.mark.parametrize(("one", "two"), [("long", "emoji"), ("right to left", "markup"), ("one token", "control")])
def test_strange_texts(models: Path, one: str, two: str) -> None:
    app = _view(pair_one=STRANGE_TEXTS[one], pair_two=STRANGE_TEXTS[two])
    assert not app.exception
    assert not app.error
    assert "<script" not in "".join(element.proto.body for element in app.get("html"))
    if one == "long":
        assert f"first {LONGEST_PAIR} of 4,500 words" in app.info[0].value
        assert app.slider


@pytest.mark.parametrize(("text", "told"), [("", "Text one is empty"), (" \n", "empty"), ("... !!", "no word")])
def test_texts_of_nothing_are_one_sentence(models: Path, text: str, told: str) -> None:
    app = _view(pair_one=text)
    assert not app.exception
    assert len(app.error) == 1
    assert told in app.error[0].value


@pytest.mark.parametrize(
    ("cell_type", "shape", "signal"),
    [
        ("lstm", {"bidirectional": True, "num_layers": 2, "pooling": "all"}, "cell_backward"),
        ("rnn_relu", {"pair_buckets": 64, "dense_size": 4}, "hidden"),
        ("residual", {"learned_initial_state": True}, "candidate"),
    ],
)
def test_every_kind_of_network(models: Path, cell_type: str, shape: dict, signal: str) -> None:
    tiny_classifier(models / "other", cell_type, **shape)
    app = _view(sentiment_model="other", pair_signal=signal, pair_order="number")
    assert not app.exception
    assert not app.error
    assert len(app.get("vega_lite_chart")) == 2
    spec = json.loads(app.get("vega_lite_chart")[1].proto.spec)
    assert spec["title"]["text"].startswith("Difference of ")


def test_three_classes(models: Path) -> None:
    tokenizer = WordTokenizer.fit(["good bad film"])
    config = ModelConfig("classifier", "rnn_sigmoid", len(tokenizer), 3, 4, 5, labels=("bad", "so-so", "<i>good</i>"))
    checkpoints.save(models / "three", seeded_network(config, 0), tokenizer, {"name": "three"})
    app = _view(sentiment_model="three")
    assert not app.exception
    assert not app.error
    assert app.metric[0].label == "Text one: \\<i\\>good\\</i\\>"
    assert not any("half" in str(dataset) for dataset in app.get("vega_lite_chart")[0].proto.datasets)


def test_a_signal_that_the_next_model_lacks_gives_way(models: Path) -> None:
    tiny_classifier(models / "gru", "gru", pooling="mean")
    app = _view(sentiment_model="gru", pair_signal="cell")
    assert not app.exception
    assert app.selectbox(key="keep_pair_signal").value == "hidden"


def test_the_pair_view_in_a_browser(page: Page, app_url: str) -> None:
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{app_url}/sentiment")
    page.get_by_role("radio", name="Two texts", exact=True).click(timeout=SLOW)
    page.get_by_role("radio", name="easy not difficult / difficult not easy").click(timeout=SLOW)
    expect(page.get_by_text("The two bags are equal")).to_be_visible(timeout=SLOW)
    bags = page.locator("[data-testid=stMetric]", has_text="Difference of the two bags")
    expect(bags.locator("[data-testid=stMetricValue]")).to_have_text("0")
    answers = page.locator("[data-testid=stMetric]", has_text="Difference of the network").locator(
        "[data-testid=stMetricValue]"
    )
    assert abs(float(answers.inner_text().replace("\u2212", "-").split()[0])) > 1
    expect(page.get_by_text("The first unit that flips")).to_be_visible(timeout=SLOW)
    expect(page.locator("[data-testid=stVegaLiteChart] svg, [data-testid=stVegaLiteChart] canvas")).to_have_count(2)
    box = page.get_by_label("Text two", exact=True)
    box.fill("a film that I would call <b>zzyzx</b>")
    box.press("Control+Enter")
    expect(page.get_by_text("The two bags differ in")).to_be_visible(timeout=SLOW)
    expect(page.locator(".rv-pair .rv-unknown", has_text="zzyzx")).to_be_visible()
    assert not wrong


def test_a_stretch_of_a_long_pair_keeps_its_numbers() -> None:
    one, two = (tuple(f"{letter}{i}" for i in range(60)) for letter in "ab")
    whole = align(one, two)
    part = slice(40, 50)
    stretch = Alignment(whole.one[part], whole.two[part], whole.kinds[part])
    assert Pair(one, two, stretch, first=41).labels() == Pair(one, two, whole).labels()[part]
