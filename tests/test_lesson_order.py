"""Order matters: orders and bags, networks that read in order, prices, rows of pixels, and the page itself."""

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints
from rnnviz.charts import order as charts
from rnnviz.checkpoints import Model
from rnnviz.errors import TextError
from rnnviz.lesson import order, order_numbers, order_time
from rnnviz.record import predict, record
from tests.conftest import STRANGE_TEXTS, run_lines, tiny_classifier

SLOW = 60_000
CODE = """
from rnnviz import session
from rnnviz.pages.lesson import order, order_time, order_words
session.keep_state()
{part}.render()
"""
WORDS = ("good", "film", "not", "a", "bad", "plot")


@pytest.mark.parametrize(("items", "count"), [("abc", 6), ("aab", 3), ("aaaa", 1), ("aabbc", 30), ("", 1)])
def test_orders_are_counted_and_given_once_each(items: str, count: int) -> None:
    found = [tuple(order.in_order(items, one)) for one in order.some_orders(items, 1000)]
    assert order.orders_of(items) == count == len(found)
    assert set(found) == set(permutations(items))
    assert found[0] == tuple(items)


def test_where_there_are_too_many_orders_some_are_drawn() -> None:
    found = order.some_orders("abcdefghij", 50)
    assert len({tuple(one) for one in found}) == 50
    assert found[0] == list(range(10))
    assert found == order.some_orders("abcdefghij", 50)
    assert order.shuffled("ab", 0) == [1, 0]
    assert sorted(order.shuffled("aaa", 0)) == [0, 1, 2]


def test_the_formula_of_the_orders() -> None:
    assert charts.orders_formula("abc") == "3! = 6"
    assert charts.orders_formula("aab") == r"\frac{3!}{2!} = 3"
    assert r"\cdot 10^{25}" in charts.orders_formula("abcdefghijklmnopqrstuvwxy")


def test_a_bag_adds_up_what_the_network_makes_of_single_words(classifier: Model) -> None:
    words = ("not", "good", "not", "zzz")
    found = order.bag(classifier, words, 1)
    odds = {word: math.log(p := predict(classifier, word).final["positive"]) - math.log(1 - p) for word in set(words)}
    assert found.log_odds == pytest.approx(sum(odds[word] for word in words), abs=1e-5)
    assert found.probability == pytest.approx(1 / (1 + math.exp(-found.log_odds)))
    for other in permutations(words):
        assert order.bag(classifier, other, 1).probability == found.probability, "equal to the last bit"


@pytest.mark.parametrize("shape", [{}, {"pooling": "mean"}, {"bidirectional": True}])
def test_orders_are_read_as_single_texts_are(tmp_path: Path, shape: dict) -> None:
    model = tiny_classifier(tmp_path / "tiny", **shape)
    orders = ((0, 1, 2, 3, 4, 5), (5, 2, 1, 0, 4, 3))
    found = order.read_orders(model, WORDS, orders, 1)
    for one, probability, state in zip(orders, found.probabilities, found.states, strict=True):
        text = " ".join(order.in_order(WORDS, one))
        assert probability == pytest.approx(predict(model, text).final["positive"], abs=1e-6)
        signals = record(model, text).signals
        ends = [signals["hidden"][-1, -1]]
        ends += [signals["hidden_backward"][0, -1]] if "hidden_backward" in signals else []
        np.testing.assert_allclose(state, np.concatenate(ends), atol=1e-6)
    assert order.moved(*found.states)[0] > 1e-3
    assert order.moved(found.states[0], found.states[0]) == (0.0, 0.0)
    assert order.moved(np.array([0.0, 4.0]), np.array([0.0, 3.0])) == (1.0, 0.25)
    assert order.moved(np.zeros(2), np.array([3.0, 4.0])) == (5.0, 0.0)


def test_all_orders_of_a_sentence_spread(classifier: Model) -> None:
    many = order.many_orders(classifier, WORDS[:4], 1)
    assert len(many.probabilities) == 24
    assert np.ptp(many.probabilities) > 1e-5
    assert order.most_orders(6) == 720
    assert order.most_orders(40) == 150


def test_a_bag_cannot_learn_two_labels_for_one_bag_and_a_network_can() -> None:
    found = order.learn_labels(WORDS, (*WORDS[:4], "plot", "bad"))
    np.testing.assert_allclose(found.bag, math.log(2), atol=1e-12)
    assert found.network[0] > 0.5 and found.network[-1] < 0.1
    same = order.learn_labels(WORDS[:3], WORDS[:3])
    assert min(same.bag.min(), same.network.min()) >= math.log(2) - 1e-12
    other = order.learn_labels(("good", "film"), ("bad", "film", "not"))
    assert other.bag[-1] < 0.1, "different bags can be told apart"


@pytest.mark.parametrize("cell", ["rnn_tanh", "gru", "lstm"])
def test_prefix_and_state_agree(tmp_path: Path, cell: str) -> None:
    model = tiny_classifier(tmp_path / "tiny", cell)
    found = order_time.two_ways(model, WORDS, 1)
    np.testing.assert_allclose(found.prefix, found.state, atol=1e-6)
    np.testing.assert_allclose(found.state, predict(model, " ".join(WORDS)).probabilities[:, 1], atol=1e-6)
    assert found.kept == (32 if cell == "lstm" else 16)
    assert not order_time.reads_by_steps(tiny_classifier(tmp_path / "mean", pooling="mean").config)


def test_a_word_at_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = tiny_classifier(tmp_path / "flat", "feedforward", window=9)
    recurrent = tiny_classifier(tmp_path / "tiny")
    found = order_time.at_places(flat, "good", (1, 4, 9), 1)
    padded = torch.tensor([[0, 0, 0, int(flat.tokenizer.ids(["good"])[0])]])
    expected = flat.network.whole(padded, torch.tensor([4])).softmax(dim=1)[0, 1]
    assert found[1] == pytest.approx(float(expected), abs=1e-6)
    assert len(set(found.tolist())) == 3
    assert len(set(order_time.at_places(recurrent, "good", (1, 4, 9), 1).tolist())) == 1
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    assert {name: shape.is_feedforward for name, shape in order_time.shapes().items()} == {"flat": True, "tiny": False}


def test_other_classifiers_read_the_memory_of_a_shipped_network() -> None:
    model = checkpoints.shared("imdb-rnn")
    head, means, votes = order_time.readers(model, "a wonderful film, excellent and moving", 1)
    assert head.share == pytest.approx(predict(model, "a wonderful film, excellent and moving").final["positive"])
    assert head.share > 0.5 and means.share == 1
    assert min(head.accuracy, means.accuracy, votes.accuracy) > 0.7
    assert head.tested == 500


def test_prices_rise_and_fall_and_their_bag_stays() -> None:
    prices = [101.0, 104, 102, 106, 105, 109]
    assert order_numbers.summary(prices) == order_numbers.summary(prices[::-1])
    up, down = sorted(prices), sorted(prices)[::-1]
    assert order_numbers.price_states(up, 0.8)[-1, 1] > 0.5
    assert order_numbers.price_states(down, 0.8)[-1, 1] < -0.5
    assert np.abs(order_numbers.price_states([5.0, 5.0, 5.0], 0.8)).max() == 0
    outlier = [100.0, *[1.0] * 59]
    assert abs(order_numbers.price_states(outlier, 0.8)[0, 1]) < 0.01, "nothing has changed on the first day"
    weights = order_numbers.price_weights(0.8)
    rnn = torch.nn.RNN(1, 2, bias=False, dtype=torch.float64)
    rnn.load_state_dict({f"{name}_l0": torch.from_numpy(values) for name, values in weights.items()})
    z = order_numbers.standardized(prices)
    start = torch.tensor([[math.tanh(order_numbers.HOLD * z[0]), 0.0]], dtype=torch.float64)
    expected = rnn(torch.from_numpy(z)[:, None], start)[0].detach().numpy()
    np.testing.assert_allclose(order_numbers.price_states(prices, 0.8), expected, atol=1e-12)


def test_price_lines_print_the_numbers_of_the_page() -> None:
    one, two = [101.0, 104, 102, 106], [106.0, 102, 104, 101]
    expected = [state for series in (one, two) for state in order_numbers.price_states(series, 0.75)[-1].tolist()]
    for script in order_numbers.price_lines(one, two, 0.75):
        printed = [part for line in run_lines(script).splitlines() for part in line.replace(",", "").split()]
        numbers = [float(part) for part in printed if part.lstrip("+-")[0].isdigit()]
        np.testing.assert_allclose(numbers, expected, atol=1.1e-6)


@pytest.mark.parametrize("text", ["101,104,99.5", "101 104 99.5", " 101, 104; 99.5 "])
def test_prices_are_read(text: str) -> None:
    assert order_numbers.read_numbers(text) == [101, 104, 99.5]


@pytest.mark.parametrize(
    "text",
    ["", "1", "1 x", "1 2 1e30", "nan 1", " ".join("12" * 100), "1,050 1,100", "1,050", "101,5; 102,5", "2,000,1,000"],
)
def test_prices_that_cannot_be_read(text: str) -> None:
    with pytest.raises(TextError):
        order_numbers.read_numbers(text)


@pytest.mark.parametrize("text", ["", "0" * 64, "\n".join(["00000000"] * 7 + ["0000000x"]), "\n".join(["000"] * 8)])
def test_pictures_that_cannot_be_read(text: str) -> None:
    with pytest.raises(TextError):
        order_numbers.read_picture(text)


def test_pictures_and_their_greys() -> None:
    images, labels = order_numbers.digits()
    assert images.shape == (1797, 8, 8) and len(labels) - order_numbers.KEPT_BACK == 1297
    image = order_numbers.read_picture(order_numbers.picture_text(images[3]))
    np.testing.assert_allclose(image, images[3], atol=0.06)
    spaced = order_numbers.picture_text(images[3]).replace("0", "0 ").replace("\n", "\n\n")
    np.testing.assert_array_equal(order_numbers.read_picture(spaced), image)
    with pytest.raises(TextError, match="yours has 2"):
        order_numbers.read_picture("0 0\n1 1")
    assert (order_numbers.greys(image) == order_numbers.greys(image[::-1])).all()
    states, chances = order_numbers.read_rows(order_numbers.untrained_rows(0), np.stack([image, image[::-1]]))
    assert np.abs(states[0] - states[1]).max() > 0.01
    np.testing.assert_allclose(chances.sum(axis=1), 1, atol=1e-6)


def test_rows_are_learnt_and_permuting_them_costs() -> None:
    steps = list(order_numbers.learn_rows((3, 1, 4, 0, 5, 7, 2, 6), epochs=2))
    assert steps[:-1] == sorted(steps[:-1]) and steps[-2] == 1.0
    right = steps[-1].accuracy
    assert right[order_numbers.ONE_WAY] > 0.6
    assert right[order_numbers.FIXED] > 0.6
    assert right[order_numbers.PERMUTED] < right[order_numbers.ONE_WAY] - 0.3
    assert right[order_numbers.ANEW] < right[order_numbers.FIXED] - 0.1


def test_unknown_words_make_no_other_order_and_bins_are_counted(classifier: Model) -> None:
    many = order.many_orders(classifier, ("good", "zzz", "yyy"), 1)
    assert len(many.probabilities) == 3
    assert charts.filled_bins(np.array([0.5, 0.51, 0.9])) == 2
    assert charts.filled_bins(np.full(7, 0.3)) == 1
    assert ",.10~g" in str(charts.series_chart([10001.0, 10002.0], [10002.0, 10001.0]).to_dict())


def test_markup_is_escaped() -> None:
    html = charts.orders_html(["<script>", "b"], ["b", "<script>"], {"b"})
    html += charts.table_html(("<i>",), [("<script>",)], "<b>")
    assert "<script>" not in html and "<i>" not in html and "<b>" not in html
    assert "rv-unknown" in html and "rv-moved" in html


def _page(part: str = "order", **state: object) -> AppTest:
    app = AppTest.from_string(CODE.format(part=part), default_timeout=60)
    for key, value in state.items():
        app.session_state[f"keep_order_{key}"] = value
    return app.run()


@pytest.fixture
def _tiny_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_classifier(tmp_path / "tiny")
    tiny_classifier(tmp_path / "flat", "feedforward", window=9)


def _captions(app: AppTest) -> str:
    return " ".join(caption.value for caption in app.caption)


def _metrics(app: AppTest) -> dict[str, str]:
    return {metric.label.replace("\\", ""): metric.value for metric in app.metric}


@pytest.mark.usefixtures("_tiny_models")
def test_the_page_moves_words_and_the_bag_stays() -> None:
    app = _page("order_words", sentence="the plot was good not bad", words=[0, 1, 2, 3, 4, 5], words_chosen=5)
    assert not app.exception and not app.error
    before = _metrics(app)
    assert before["Last state moved by"] == "0.00"
    app.button(key="order_words_\u2190 Earlier").click().run()
    assert app.session_state["keep_order_words"] == [0, 1, 2, 3, 5, 4]
    after = _metrics(app)
    assert after["Bag of words: positive"] == before["Bag of words: positive"]
    assert float(after["Last state moved by"]) > 0
    app.button(key="order_words_Reverse").click().run()
    assert app.session_state["keep_order_words"] == [5, 4, 3, 2, 1, 0]
    app.button(key="order_words_Shuffle").click().run()
    assert sorted(app.session_state["keep_order_words"]) == [0, 1, 2, 3, 4, 5]
    for key in ("order-count", "order-spread", "order-labels"):
        app.button(key=f"show_{key}").click().run()
        assert not app.exception
    assert "never falls below" in _captions(app) and "another last state" in _captions(app)
    app.button(key="order_words_First order").click().run()
    assert _metrics(app) == before
    assert "same text" in _captions(app) and "never falls below" not in _captions(app)


@pytest.mark.usefixtures("_tiny_models")
def test_orders_that_are_one_to_the_network() -> None:
    app = _page("order_words", sentence="good zzz yyy", words=[0, 2, 1])
    assert not app.exception and not app.error
    assert _metrics(app)["Last state moved by"] == "0.00"
    said = _captions(app)
    assert "not to this network" in said and "two lines are one" in said and "Wavy: not among the 10 words" in said
    assert any("all 3 orders" in one.value and "the same to it" in one.value for one in app.markdown)
    app.text_input(key="keep_order_sentence").set_value("zzz yyy").run()
    assert any("a single order" in info.value for info in app.info)


@pytest.mark.usefixtures("_tiny_models")
def test_what_the_page_says_is_true_of_what_was_typed() -> None:
    app = _page(sentence="good " * 57, series="10001 10002 64250", good="zzz film", prices=[0, 1, 2])
    assert not app.exception and not app.error
    html = "".join(element.proto.body for element in app.get("html"))
    assert "64,250" in html and "10,001" in html and "e+0" not in html
    told = " ".join(info.value for info in app.info)
    assert "the first: zzz, terrible" in told and "flat does not know zzz, terrible" in told
    assert any("57 words 40 are read" in one.value for one in app.markdown)


def test_cards_tell_of_the_weights_that_were_kept() -> None:
    from rnnviz.pages.lesson.order_time import _recipe  # noqa: PLC0415

    assert "after step 88 of 348" in _recipe(checkpoints.shared("imdb-feedforward"))
    assert "after step" not in _recipe(checkpoints.shared("imdb-gru-100"))
    assert "last" in order_time.read_by_head(checkpoints.shared("imdb-gru-100").config)


@pytest.mark.usefixtures("_tiny_models")
@pytest.mark.parametrize("kind", ["empty", "one token", "long", "markup"])
def test_strange_sentences(kind: str) -> None:
    text = STRANGE_TEXTS.get(kind, "")
    app = _page("order_words", sentence=text)
    assert not app.exception
    assert (len(app.error) > 0) == (not text)


@pytest.mark.usefixtures("_tiny_models")
def test_the_whole_page_and_the_answers_it_shows() -> None:
    app = _page(sentence="the plot was bad", prices=list(range(10))[::-1])
    assert not app.exception and not app.error
    for key in ("order-prices", "order-steps"):
        app.button(key=f"show_{key}").click().run()
        assert not app.exception
    assert any("10 steps" in info.value for info in app.info)
    assert app.session_state["keep_order_prices"] == list(range(10))[::-1], "no other widget writes over the order"
    assert app.session_state["keep_order_rows"] == [3, 1, 4, 0, 5, 7, 2, 6]
    assert len([button for button in app.button if button.label == "Show the answer"]) >= 6
    assert any("hardly cares" in one.value for one in app.markdown), "all answers in one bar: no picture to tell apart"


@pytest.mark.usefixtures("_tiny_models")
def test_what_a_link_brings_is_cleaned() -> None:
    app = _page(
        **{"sentence": 3, "words": [0, 0], "words_chosen": "x", "model": "gone", "series": ["1"], "prices": "no"},
        **{"picture": {}, "rows": [9], "sample": 1e9, "good": 1, "bad": None, "stepped": 5, "rows_chosen": -4},
    )
    assert not app.exception and not app.error
    app = _page(series="1 two", picture="12", good=" ")
    assert not app.exception
    assert len(app.error) == 3


def test_a_reader_moves_words_prices_and_rows(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/order")
    expect(page.get_by_role("heading", name="Order matters", exact=True)).to_be_visible(timeout=SLOW)
    box = page.get_by_label("Your sentence, in its first order", exact=True)
    expect(box).to_have_value("Machine learning is easy not difficult", timeout=SLOW)
    box.fill("a great film <b>not</b> a dull one")
    box.press("Enter")
    mine = page.locator(".rv-orders div").nth(1).locator("bdi")
    expect(mine).to_have_text(["a", "great", "film", "not", "a", "dull", "one"], timeout=SLOW)
    metric = page.get_by_test_id("stMetric")
    bag, moved = metric.filter(has_text="Bag of words"), metric.filter(has_text="Last state moved by").first
    expect(moved.get_by_test_id("stMetricValue")).to_have_text("0.00", timeout=SLOW)
    before = bag.get_by_test_id("stMetricValue").inner_text()
    page.get_by_text("3. film", exact=True).click()
    page.get_by_role("button", name="\u2190 Earlier").first.click()
    expect(mine).to_have_text(["a", "film", "great", "not", "a", "dull", "one"], timeout=SLOW)
    expect(moved.get_by_test_id("stMetricValue")).not_to_have_text("0.00", timeout=SLOW)
    assert bag.get_by_test_id("stMetricValue").inner_text() == before
    says = page.locator(".rv-table", has_text="network says").locator("tbody tr").last.locator("td")
    expect(says).to_have_text(["rising", "rising"], timeout=SLOW)  # nothing is given away before the reader turns it
    page.get_by_role("button", name="Reverse", exact=True).nth(1).click()
    expect(says).to_have_text(["rising", "falling"], timeout=SLOW)
    page.get_by_role("button", name="Sort", exact=True).nth(1).click()
    expect(says).to_have_text(["rising", "rising"], timeout=SLOW)
    expect(page.get_by_text("Your sentence has 7 words", exact=False)).to_be_visible(timeout=SLOW)
    train = page.get_by_role("button", name="Train on digits", exact=True)
    expect(train).to_be_enabled()
    page.get_by_role("button", name="First order", exact=True).nth(2).click()
    expect(train).to_be_disabled(timeout=SLOW)
    page.get_by_role("button", name="Shuffle", exact=True).nth(2).click()
    expect(train).to_be_enabled(timeout=SLOW)
