"""Which words mattered: leaving out against the naive loop, integrated gradients against their oracle, and the view."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints, session
from rnnviz.analysis import occlusion
from rnnviz.analysis.attribution import integrated_gradients
from rnnviz.analysis.occlusion import (
    disagreement,
    integrated_odds,
    leave_one_out,
    seconds,
    weigh_words,
)
from rnnviz.charts.attribution import scale_html, weights_chart
from rnnviz.checkpoints import Model
from rnnviz.config import CELL_TYPES, ModelConfig
from rnnviz.errors import ConfigError, TextError
from rnnviz.network import Network
from rnnviz.record import predict
from rnnviz.text import read
from tests.conftest import STRANGE_TEXTS, tiny_classifier
from tests.oracles import make_network, some_ids

TEXT = "not a good film the plot was very bad zzyzx"
SHAPES = [
    {"pooling": "last"},
    {"pooling": "mean", "num_layers": 2},
    {"pooling": "max", "dense_size": 5},
    {"pooling": "all", "pair_buckets": 50},
    {"pooling": "all", "bidirectional": True, "num_layers": 2},
    {"pooling": "last", "bidirectional": True},
    {"pooling": "mean", "learned_initial_state": True},
]


def _odds(model: Model, text: str) -> float:
    p = predict(model, text).probabilities[-1]
    return math.log(p[1] / p[0])


@pytest.mark.parametrize(("cell_type", "shape"), list(zip(CELL_TYPES, SHAPES, strict=True)), ids=str)
def test_leaving_out_is_what_a_reader_would_do_by_hand(cell_type: str, shape: dict, tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "tiny", cell_type, **shape)
    ids, words = read(model.tokenizer, TEXT)
    by_hand = [_odds(model, TEXT) - _odds(model, " ".join(words[:i] + words[i + 1 :])) for i in range(len(words))]
    found = leave_one_out(model.network, ids, 1, 0)
    assert np.allclose(found.values, by_hand, atol=2e-6)
    assert np.ptp(found.values) > 1e-3
    assert np.allclose(leave_one_out(model.network, ids, 0, 1).values, -found.values)
    assert math.isnan(found.without)


def test_more_words_than_are_read_at_once() -> None:
    network = make_network("gru", task="classifier")
    ids = some_ids(150)
    told: list[float] = []
    found = leave_one_out(network.requires_grad_(False), ids, 2, 0, progress=told.append).values
    for place in (0, 63, 64, 149):
        logits = [network(torch.from_numpy(part)[None]).logits[0, -1] for part in (ids, np.delete(ids, place))]
        expected = [float(one[2] - one[0]) for one in logits]
        assert found[place] == pytest.approx(expected[0] - expected[1], abs=1e-5)
    assert told == sorted(told) and told[-1] == 1 and len(told) == 3


def _one_word_decides() -> Network:
    """A network without memory, whose maximum over words is moved by word 5 alone, towards class "b"."""
    network = make_network("rnn_tanh", task="classifier", pooling="max")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.embedding.weight[5, 0] = 1.0
        network.recurrent[0]["d"].weight_ih_l0[0, 0] = 2.0
        network.head.weight[1, 0] = 3.0
    return network


def test_one_word_decides_and_both_measures_find_it() -> None:
    found = weigh_words(_one_word_decides(), np.array([3, 2, 5, 7, 2]), list("abcde"), "name")
    worth = 3 * math.tanh(2)
    assert (found.answer, found.tokens, found.label) == (1, tuple("abcde"), "name")
    assert found.log_odds == pytest.approx(worth)
    assert np.allclose(found.left_out.values, [0, 0, worth, 0, 0], atol=1e-6)
    assert np.allclose(found.integrated.values, [0, 0, worth, 0, 0], atol=1e-4)
    assert found.trusted and found.integrated.without == 0


def test_a_word_said_twice_can_be_missed_once() -> None:
    """What leaving out cannot see, and the note on the page says: each stands in for the other."""
    found = weigh_words(_one_word_decides(), np.array([5, 2, 5]))
    assert np.allclose(found.left_out.values, 0)
    assert found.integrated.values.sum() == pytest.approx(3 * math.tanh(2), abs=1e-4)


@pytest.mark.parametrize(("cell_type", "pooling"), [("lstm", "all"), ("gru", "last"), ("residual", "mean")])
def test_integrated_odds_are_the_difference_of_two_attributions(cell_type: str, pooling: str) -> None:
    network, ids = make_network(cell_type, 2, task="classifier", pooling=pooling), some_ids(7)
    found = integrated_odds(network, ids, 2, 0)
    parts = [integrated_gradients(network, ids, target=target) for target in (2, 0)]
    assert np.allclose(found.values, parts[0].values - parts[1].values, atol=1e-10)
    assert found.without == pytest.approx(parts[0].without - parts[1].without)
    assert found.gap == pytest.approx(parts[0].gap - parts[1].gap, abs=1e-10)


def test_the_rival_is_the_strongest_and_parts_make_up_the_whole() -> None:
    network, ids = make_network("gru", task="classifier"), some_ids(8)
    logits = network(torch.from_numpy(ids)[None]).logits[0, -1].detach().numpy()
    order = np.argsort(-logits).tolist()
    assert [weigh_words(network, ids).answer, weigh_words(network, ids).rival] == order[:2]
    found = weigh_words(network, ids, target=order[2])
    assert found.rival == order[0] and found.log_odds == pytest.approx(logits[order[2]] - logits[order[0]], abs=1e-5)
    sums = found.integrated.values.sum() + found.integrated.gap
    assert sums == pytest.approx(found.log_odds - found.integrated.without, abs=1e-5)


def test_what_cannot_be_measured_is_left_away_or_said() -> None:
    words, both = make_network("lstm", task="classifier"), make_network("lstm", task="classifier", bidirectional=True)
    assert weigh_words(words, some_ids(1)).left_out is None
    assert weigh_words(both, some_ids(3)).integrated is None
    told: list[float] = []
    weigh_words(words, some_ids(20), progress=told.append)
    assert told == sorted(told) and 0 < told[0] < told[-1] <= 1
    for message, error, call in (
        ("only one word", TextError, lambda: leave_one_out(words, some_ids(1), 0, 1)),
        ("no word", TextError, lambda: weigh_words(words, some_ids(0))),
        ("bidirectional", ConfigError, lambda: integrated_odds(both, some_ids(3), 0, 1)),
        ("at least two", ConfigError, lambda: weigh_words(make_network("lstm"), some_ids(3))),
    ):
        with pytest.raises(error, match=message):
            call()


def test_estimates_grow_with_the_work() -> None:
    shape = {"task": "classifier", "vocab_size": 9, "num_outputs": 2, "labels": ("a", "b"), "embedding_size": 128}
    small, large, both = (
        ModelConfig(cell_type="lstm", hidden_size=size, bidirectional=way, **shape)
        for size, way in ((64, False), (256, False), (256, True))
    )
    assert 0 < seconds(small, 10) < seconds(small, 100) < seconds(large, 100)
    assert 4 < seconds(large, 400) / seconds(large, 100) < 16
    assert seconds(both, 400) > seconds(large, 400)


def test_disagreement_by_hand() -> None:
    first = np.array([4.0, -3.0, 0.2, 1.0, 0.5, 0.4, 0.3, 0.1])
    second = np.array([5.0, 0.5, -0.2, 2.0, 1.0, 3.0, 0.6, 0.55])
    found = disagreement(first, second)
    assert found.top == 2
    assert found.opposite == (1,), "place 2 is too small to matter"
    assert found.only_first == (1,)
    assert found.only_second == (5,), "second in size here, fifth there"
    assert disagreement(second[::-1], first[::-1]).only_second == (6,)
    assert disagreement(first, -first).rank_correlation == pytest.approx(-1)
    assert disagreement(np.array([1.0, 2, 2, 3]), np.array([1.0, 2, 3, 4])).rank_correlation == pytest.approx(0.9**0.5)
    for few in (np.array([1.0]), np.zeros(5)):
        nothing = disagreement(few, few)
        assert math.isnan(nothing.rank_correlation) and not nothing.opposite + nothing.only_first
    with pytest.raises(ValueError, match="expected"):
        disagreement(np.zeros(3), np.zeros(4))


def test_the_chart_says_what_it_shows() -> None:
    values = {"Left out": np.array([1.0, -2.0, 0.5]), "Integrated gradients": np.array([0.5, 1.0, 0.0])}
    spec = weights_chart(["good", "not", "film"], values, [1, 0], 2.0, "Words", "what it adds, nats").to_dict()
    points = spec["layer"][2]
    rows = next(rows for rows in spec["datasets"].values() if len(rows) == 4)
    assert [row["nats"] for row in rows] == [-2, 1, 1, 0.5]
    assert points["encoding"]["y"]["sort"] == ["2. not", "1. good"]
    assert points["encoding"]["x"]["scale"]["domain"] == [-2.1, 2.1]
    assert points["encoding"]["shape"]["field"] == points["encoding"]["color"]["field"] == "measure"
    assert "nats" in points["encoding"]["x"]["title"] and spec["title"]["text"] == "Words"
    assert "<b>" not in scale_html("<b>low", "0", "high") and "&lt;b&gt;" in scale_html("<b>low", "0", "high")


@pytest.fixture
def tiny_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_classifier(tmp_path / "tiny-mean", pooling="mean")
    tiny_classifier(tmp_path / "both-ways", bidirectional=True)


CODE = "from rnnviz import session\nfrom rnnviz.pages.sentiment import words\nsession.keep_state()\n"


def _page(text: str = TEXT, model: str = "tiny-mean", **state: object) -> AppTest:
    app = AppTest.from_string(CODE + "session.guarded(words.render)()\n", default_timeout=120)
    for key, value in {"keep_review": text, "keep_sentiment_model": model, **state}.items():
        app.session_state[key] = value
    return app.run()


def _html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


@pytest.mark.usefixtures("tiny_models")
def test_the_view_is_filled_in() -> None:
    app = _page()
    assert not app.exception and not app.error and not app.warning
    assert [one.value for one in app.header] == ["Left out", "Integrated gradients", "Where the two disagree"]
    assert _html(app).count('class="rv-text"') == 2 and _html(app).count("rv-unknown") >= 2
    assert len(app.get("vega_lite_chart")) == 1
    assert any("rank correlation" in one.value for one in app.markdown)
    assert any("Look" in one.value for one in app.caption)
    app.session_state["keep_sentiment_words_order"] = "by place in the text"
    app.run()
    assert not app.exception


@pytest.mark.usefixtures("tiny_models")
def test_an_integral_that_misses_is_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occlusion, "TRUSTED", -1.0)
    app = _page("not a good film " * 2)
    assert not app.exception and "not compared" in app.warning[0].value and "or more" in _html(app)
    assert [one.value for one in app.header] == ["Left out", "Integrated gradients"]
    assert len(app.get("vega_lite_chart")) == 1


@pytest.mark.usefixtures("tiny_models")
def test_strange_texts_and_what_is_short() -> None:
    short = [text for name, text in STRANGE_TEXTS.items() if name != "long"]
    for text in (*short, "good film " * 20):
        app = _page(text, keep_sentiment_words_order="by place in the text")
        assert not app.exception and not app.error, text
        assert "<script" not in _html(app) and "onerror=" not in _html(app).replace("onerror=alert", "")
    app = _page("zzyzx")
    assert "single word" in app.info[0].value and _html(app).count('class="rv-text"') == 1
    for text in ("", "!!!"):
        app = _page(text)
        assert len(app.error) == 1 and not app.exception


@pytest.mark.usefixtures("tiny_models")
def test_a_long_text_is_weighed_in_part() -> None:
    app = _page(" ".join(["good"] * 1500 + ["bad"] * 1500))
    assert not app.exception and "3,000 words" in app.button_group[0].label
    assert "good" in _html(app) and ">bad<" not in _html(app)
    app.session_state["keep_sentiment_words_part"] = "its last 400"
    app.run()
    assert ">bad<" in _html(app) and ">good<" not in _html(app)


@pytest.mark.usefixtures("tiny_models")
def test_a_network_that_reads_both_ways_has_one_measure() -> None:
    app = _page(model="both-ways")
    assert not app.exception and "backwards" in app.info[0].value
    assert [one.value for one in app.header] == ["Left out"]
    assert len(app.get("vega_lite_chart")) == 1


@pytest.mark.usefixtures("tiny_models")
def test_what_takes_long_is_asked_for_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LONG", 0.0)
    app = _page()
    assert not _html(app)
    next(button for button in app.button if "takes about" in button.label).click().run()
    assert not app.exception and _html(app).count('class="rv-text"') == 2
