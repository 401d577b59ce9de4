"""Words to numbers: the vectorizer's options, one-hot rows and look-ups, masks, neighbours, and the page itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from sklearn.feature_extraction.text import CountVectorizer
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints
from rnnviz.charts.vectorizer import ids_html, product_html
from rnnviz.checkpoints import Model
from rnnviz.errors import ConfigError, TextError
from rnnviz.lesson import words_vectors
from rnnviz.lesson.vectorizer import Options, fit, keras_call, lines_of, steps_of
from tests.conftest import STRANGE_TEXTS, run_lines, tiny_classifier

SLOW = 60_000
CODE = """
from rnnviz import session
from rnnviz.pages.lesson import words, words_vectorizer
session.keep_state()
{part}.render()
"""
DOCUMENTED = ("foo bar", "bar baz", "baz bada boom")
LINES = (
    "This was a great movie, a really great one.",
    "This was an absolutely terrible movie.",
    "I don't like it; it isn't good.",
)


def test_the_example_of_keras_own_documentation() -> None:
    """`keras.layers.TextVectorization` needs TensorFlow, so its documented results stand here in its place."""
    made = fit(DOCUMENTED, Options(max_tokens=5000, output_sequence_length=4))
    assert made(["foo qux bar", "qux baz"]).tolist() == [[4, 1, 3, 0], [1, 2, 0, 0]]
    assert made.vocabulary == ("", "[UNK]", "baz", "bar", "foo", "boom", "bada")
    by_hand = fit([], Options(vocabulary=("earth", "wind", "and", "fire")))
    assert by_hand.vocabulary == ("", "[UNK]", "earth", "wind", "and", "fire")


@pytest.mark.parametrize("mode", ["count", "multi_hot"])
@pytest.mark.parametrize("ngrams", [None, 2, 3])
def test_counts_are_those_of_scikit_learn(mode: str, ngrams: int | None) -> None:
    made = fit(LINES, Options(output_mode=mode, ngrams=ngrams))
    other = CountVectorizer(
        analyzer="word",
        tokenizer=str.split,
        token_pattern=None,
        preprocessor=lambda text: steps_of(text, Options()).standardized,
        ngram_range=(1, ngrams or 1),
        vocabulary=made.vocabulary[1:],
        binary=mode == "multi_hot",
    )
    found = made(LINES)
    assert not found[:, 0].any()
    np.testing.assert_array_equal(found[:, 1:], other.transform(LINES).toarray())
    counts = other.set_params(binary=False).transform(LINES).toarray().sum(axis=0)
    assert made.counts[1:].tolist() == counts.tolist() == sorted(counts, reverse=True)


def test_tf_idf_is_count_times_the_logarithm_worked_out_by_hand() -> None:
    made = fit(DOCUMENTED, Options(output_mode="tf_idf"))
    idf = {"bar": np.log(1 + 3 / 3), "baz": np.log(1 + 3 / 3), "foo": np.log(1 + 3 / 2)}
    idf |= dict.fromkeys(("bada", "boom"), idf["foo"])
    row = made(["bar bar foo qux"])[0]
    expected = {"bar": 2 * idf["bar"], "foo": idf["foo"], "[UNK]": np.mean(list(idf.values()))}
    np.testing.assert_allclose(row, [expected.get(word, 0) for word in made.vocabulary])
    padded = fit(DOCUMENTED, Options(output_mode="tf_idf", max_tokens=9, pad_to_max_tokens=True))
    np.testing.assert_allclose(padded(["bar bar foo qux"])[0], [*row, 0, 0, 0])
    by_hand = fit([], Options(output_mode="tf_idf", vocabulary=("a", "b"), idf_weights=(1.0, 3.0)))
    np.testing.assert_allclose(by_hand(["b b z"]), [[2.0, 0.0, 6.0]])


@pytest.mark.parametrize("mode", ["int", "count", "multi_hot", "tf_idf"])
def test_a_vocabulary_by_hand_in_every_mode(mode: str) -> None:
    weights = (1.0, 3.0) if mode == "tf_idf" else ()
    made = fit(LINES, Options(output_mode=mode, vocabulary=("good", "movie"), idf_weights=weights))
    assert len(made.idf) == len(made.vocabulary)
    row = {"int": [1, 2, 2, 3], "count": [1, 2, 1], "multi_hot": [1, 1, 1], "tf_idf": [2.0, 2.0, 3.0]}[mode]
    assert made(["a good, good movie"])[0].tolist() == row


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"output_sequence_length": 3},
        {"ngrams": 2},
        {"output_mode": "count"},
        {"output_mode": "tf_idf", "max_tokens": 30, "pad_to_max_tokens": True},
    ],
)
def test_shapes_are_known_without_the_array(options: dict) -> None:
    made = fit(LINES, Options(**options))
    assert made.shape(LINES) == made(LINES).shape


@pytest.mark.parametrize(
    ("options", "tokens"),
    [
        (Options(), ("dont", "stop", "me")),
        (Options(standardize="lower"), ("don't", "stop", "me!")),
        (Options(standardize="strip_punctuation"), ("Dont", "stop", "me")),
        (Options(standardize="None"), ("Don't", "stop", "me!")),
        (Options(split="None"), ("dont stop  me",)),
        (Options(ngrams=2), ("dont", "stop", "me", "dont stop", "stop me")),
        (Options(ngrams=(2,)), ("dont stop", "stop me")),
        (Options(ngrams=(1, 3)), ("dont", "stop", "me", "dont stop me")),
        (Options(split="character", standardize="None"), tuple("Don't stop  me!")),
    ],
)
def test_steps_before_the_look_up(options: Options, tokens: tuple[str, ...]) -> None:
    assert steps_of("Don't stop  me!", options).tokens == tokens


def test_sizes_and_unknown_words() -> None:
    assert fit(LINES, Options(max_tokens=5)).vocabulary == ("", "[UNK]", "was", "this", "movie")
    counted = fit(LINES, Options(max_tokens=5, output_mode="count"))
    assert counted.vocabulary[:2] == ("[UNK]", "was") and len(counted.vocabulary) == 5
    assert counted.counts.sum() == sum(len(steps_of(line, Options()).tokens) for line in LINES)
    assert counted(["nothing known"])[0].tolist() == [2, 0, 0, 0, 0]
    made = fit(LINES, Options())
    assert made([*LINES, "it"]).shape == (4, 9)
    assert made.back(made(["it was zzz"])[0].tolist()) == ["it", "was", "[UNK]"]
    assert fit(["[UNK] a"], Options(standardize="None"))(["[UNK]"]).tolist() == [[1]]


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 2},
        {"output_mode": "count", "output_sequence_length": 3},
        {"pad_to_max_tokens": True},
        {"pad_to_max_tokens": True, "output_mode": "count"},
        {"vocabulary": ("a", "a")},
        {"vocabulary": ("a", "b"), "max_tokens": 3},
        {"vocabulary": ("a", "b"), "output_mode": "tf_idf"},
        {"vocabulary": ("a", "[UNK]")},
        {"vocabulary": ("", "a")},
        {"idf_weights": (1.0,)},
        {"standardize": "upper"},
    ],
)
def test_options_that_contradict_each_other(options: dict) -> None:
    with pytest.raises(ConfigError):
        Options(**options)


def test_the_line_in_keras() -> None:
    assert keras_call(Options()) == "keras.layers.TextVectorization()"
    told = keras_call(Options(standardize="None", ngrams=(1, 3), max_tokens=9, output_mode="count"))
    assert told == (
        "keras.layers.TextVectorization(max_tokens=9, standardize=None, ngrams=(1, 3), output_mode='count')"
    )


def test_a_one_hot_row_times_a_table_is_a_row_of_it() -> None:
    table = np.random.default_rng(0).normal(size=(9, 4))
    ids = [3, 0, 8, 3]
    rows = words_vectors.one_hot(ids, 9)
    assert rows.sum() == 4
    assert (rows @ table == table[ids]).all()
    torch_rows = torch.nn.Embedding.from_pretrained(torch.from_numpy(table))(torch.tensor(ids)).numpy()
    assert (rows @ table == torch_rows).all()
    found = words_vectors.cost(5, 9, 4)
    assert (found.one_hot_numbers, found.one_hot_products, found.lookup_numbers) == (45, 180, 5)
    html = product_html(rows[0], table, ["<b>"] * 9)
    assert html.count('class="rv-on"') == 1 and "<b>" not in html


def test_means_with_and_without_a_mask() -> None:
    table = np.array([[1.0, 1.0], [0.0, 0.0], [2.0, 4.0], [4.0, 0.0]])
    padded, whole, masked = words_vectors.means(table, [2, 3], 4)
    assert padded.tolist() == [2, 3, 0, 0]
    assert whole.tolist() == [2.0, 1.5] and masked.tolist() == [3.0, 2.0]
    assert words_vectors.means(table, [2, 3], 1)[1].tolist() == [2.0, 4.0]
    with pytest.raises(TextError):
        words_vectors.means(table, [0, 0], 4)


def test_embedding_lines_print_the_numbers_of_the_page() -> None:
    table, ids = np.array([[0.5, 0.5], [0.0, 0.1], [0.9, -0.4], [-0.7, 0.3]]), [3, 2]
    padded, whole, masked = words_vectors.means(table, ids, 3)
    expected = [*table[padded], *table[padded], whole, masked]
    for script in words_vectors.embedding_lines(table, ids, 3):
        printed = [[float(number) for number in line.split()] for line in run_lines(script).splitlines()]
        np.testing.assert_allclose(printed, expected, atol=1.1e-6)


@pytest.mark.parametrize("text", ["", "1 2", "1 2\n3", "1\nx", "1\nnan", "1 2\n3 inf", "1 " * 7 + "\n" + "1 " * 7])
def test_tables_that_cannot_be_read(text: str) -> None:
    with pytest.raises(TextError):
        words_vectors.read_table(text)


@pytest.mark.parametrize("text", ["", "5", "-1", "1.5", "x", "0 " * 13])
def test_ids_that_cannot_be_read(text: str) -> None:
    with pytest.raises(TextError):
        words_vectors.read_ids(text, 5)


def test_neighbours_are_the_largest_cosines(classifier: Model) -> None:
    found = words_vectors.neighbours(classifier, "good", 4, 1)
    table = classifier.network.embedding.weight.double()
    place = int(classifier.tokenizer.ids(["good"])[0])
    expected = torch.nn.functional.cosine_similarity(table[place][None], table)
    expected[:2] = -2
    ranked = expected.argsort(descending=True).tolist()[:5]
    assert found.words == tuple(classifier.tokenizer.vocabulary[i] for i in ranked)
    np.testing.assert_allclose(found.cosines, expected[ranked].numpy(), atol=1e-6)
    assert 0 < sum(found.shares) <= 1 + 1e-9
    first = classifier.tokenizer.vocabulary[2]
    assert words_vectors.neighbours(classifier, first, 1, 1).words[0] == first
    with pytest.raises(TextError):
        words_vectors.neighbours(classifier, "zzz", 4, 1)


def test_the_nearest_by_chance_is_that_of_random_vectors() -> None:
    drawn = np.random.default_rng(0).normal(size=(400, 200, 8))
    nearest = (drawn[..., 0] / np.linalg.norm(drawn, axis=-1)).max(axis=1)
    assert words_vectors.nearest_by_chance(200, 8) == pytest.approx(np.median(nearest), abs=0.01)
    assert words_vectors.nearest_by_chance(9998, 100) == pytest.approx(0.370, abs=0.001)
    assert words_vectors.nearest_by_chance(5, 1) == 1.0


def test_a_plane_keeps_distances_of_points_in_it() -> None:
    flat = np.random.default_rng(0).normal(size=(7, 2)) @ np.random.default_rng(1).normal(size=(2, 5))
    points, shares = words_vectors.plane(flat)
    assert sum(shares) == pytest.approx(1)
    between = [np.linalg.norm(x[:, None] - x[None], axis=-1) for x in (flat, points)]
    np.testing.assert_allclose(*between, atol=1e-9)


def test_near_words_depend_on_what_was_learnt() -> None:
    """The shipped network that guessed words first has "director" near other callings, not near verdicts."""
    found = words_vectors.neighbours(checkpoints.shared("imdb-lstm-pretrained"), "terrible", 8, 1)
    assert {"horrible", "awful"} <= set(found.words)
    assert (found.log_odds < 0).all()


def test_unknown_words_of_the_shipped_models() -> None:
    found = {one.model: one for one in words_vectors.known_to("A good zzyzx film, good zzyzx!")}
    assert len(found) >= 3
    assert {one.unknown for one in found.values()} == {("zzyzx",)}
    assert {one.words for one in found.values()} == {4}


def test_the_ids_of_the_lecture_are_near_those_of_the_shipped_tokenizer() -> None:
    from rnnviz.pages.lesson.words_shipped import NOTES, NOTES_IDS  # noqa: PLC0415

    tokenizer = next(iter(words_vectors._tokenizers().values()))
    ids = tokenizer.encode(NOTES).tolist()
    assert ids != NOTES_IDS
    assert all(abs(one - two) <= 0.15 * two for one, two in zip(ids, NOTES_IDS, strict=True))


def test_markup_is_escaped_and_lines_are_bounded() -> None:
    assert "<script>" not in ids_html(["<script>", ""], [1, 0], 1, 0)
    with pytest.raises(TextError):
        lines_of(" \n ")
    with pytest.raises(TextError):
        lines_of("a" * 200_000)


@pytest.fixture
def _tiny_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_classifier(tmp_path / "tiny")
    tiny_classifier(tmp_path / "tiny-gru", "gru")


def _page(part: str = "words", **state: object) -> AppTest:
    app = AppTest.from_string(CODE.format(part=part), default_timeout=60)
    app.session_state["keep_words_near_word"] = "plot"
    for key, value in state.items():
        app.session_state[f"keep_words_{key}"] = value
    return app.run()


def _html(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.get("html"))


@pytest.mark.usefixtures("_tiny_models")
def test_the_page_answers_its_options() -> None:
    app = _page("words_vectorizer", lines="a b b\nb c", new="b c d")
    assert not app.exception and not app.error
    assert any(code.value == "[2, 3, 1]" for code in app.code)
    app.selectbox(key="keep_words_mode").set_value("tf_idf").run()
    assert not app.exception and f"{np.log(1 + 2 / 3):.4f}" in _html(app)
    assert any("adapt(lines)" in one.value for one in app.markdown)
    app.number_input(key="keep_words_most").set_value(3).run()
    app.checkbox(key="keep_words_pad").check().run()
    assert any("pad_to_max_tokens=True" in code.value for code in app.code)
    app.text_input(key="keep_words_vocabulary").set_value("b, c").run()
    assert "idf weight for each word" in app.error[0].value
    app.text_input(key="keep_words_idf").set_value("1 2").run()
    assert not app.error and "2.0000" in _html(app)
    assert any("is not fitted" in one.value for one in app.markdown)
    app.selectbox(key="keep_words_mode").set_value("count").run()
    assert not app.exception and not app.error and ">idf<" not in _html(app)
    app.selectbox(key="keep_words_mode").set_value("tf_idf").run()
    assert not app.error and app.text_input(key="keep_words_idf").value == "1 2"
    app.selectbox(key="keep_words_mode").set_value("int").run()
    assert not app.exception and "more than max" in app.error[0].value
    assert "keep_words_new" in app.session_state and app.session_state["keep_words_new"] == "b c d"


@pytest.mark.usefixtures("_tiny_models")
def test_the_whole_page_and_the_answers_it_shows() -> None:
    app = _page()
    assert not app.exception and not app.error
    assert len([button for button in app.button if button.label == "Show the answer"]) >= 6
    app.button(key="show_words-cost").click().run()
    assert not app.exception and "500,000,000" in _html(app)


@pytest.mark.usefixtures("_tiny_models")
@pytest.mark.parametrize(("kind", "errors"), [("empty", 4), ("long", 2), ("markup", 2), ("control", 2)])
def test_strange_texts(kind: str, errors: int) -> None:
    text = STRANGE_TEXTS.get(kind, "")
    app = _page(lines=text, new=text, text=text, strange=text, near_word=text)
    assert not app.exception
    assert len(app.error) == errors
    assert "<script>" not in _html(app)
    captions = " ".join(caption.value for caption in app.caption)
    assert ("first 40 of 200 words" in captions) == (kind == "long")


@pytest.mark.usefixtures("_tiny_models")
def test_what_the_page_says_is_true_of_what_was_typed() -> None:
    app = _page(strange="good plot", near_word="\u2018Plot.\u2019 film", near_other="tiny", ids="2 3 3", padded=1)
    assert not app.exception and not app.error
    assert app.slider(key="keep_words_padded").value == 8, "never shorter than the text"
    said = " ".join(one.value for one in [*app.caption, *app.info])
    assert "holds all words" in said
    assert "the first: plot" in said
    app.text_area(key="keep_words_strange").set_value("good zzz").run()
    assert any("are lacking" in one.value for one in app.caption)
    app.text_input(key="keep_words_vocabulary").set_value("$x^2$ :red[x], $x^2$ :red[x]").run()
    assert r"\$x^2\$ \:red\[x\]" in app.error[0].value, "no Markdown of the reader's own"
    app.text_input(key="keep_words_vocabulary").set_value("")
    app.text_input(key="keep_words_ids").set_value("0 0").run()
    assert app.error[0].value.startswith("All ids are 0")


@pytest.mark.usefixtures("_tiny_models")
def test_what_a_link_brings_is_cleaned() -> None:
    app = _page(
        **{"lines": 1, "mode": "x", "standardize": 3, "split": [], "ngrams": {}, "most": "9", "length": -4, "pad": "y"},
        **{"vocabulary": 4, "model": "gone", "text": [], "table": 0, "ids": 1, "step": 99, "padded": "x"},
        **{"strange": {}, "near_model": 1, "near_other": "x", "near_count": 1e6, "new": False},
    )
    assert not app.exception and not app.error
    app = _page(table="1", near_word="zzz")
    assert not app.exception and len(app.error) == 3


def test_a_reader_fits_a_vocabulary_and_looks_up(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/words")
    expect(page.get_by_role("heading", name="Words to numbers", exact=True)).to_be_visible(timeout=SLOW)
    box = page.get_by_label("Lines to learn the vocabulary from", exact=True)
    box.fill("red red red blue blue\ngreen, RED <b>blue</b>")
    box.press("Control+Enter")
    text = page.get_by_label("A text to turn into numbers", exact=True)
    text.fill("Red, blue! violet")
    text.press("Control+Enter")
    ids = page.locator(".rv-ids").first.locator("span")
    expect(ids).to_have_text(["red2", "blue3", "violet1 (unknown)"], timeout=SLOW)
    most = page.get_by_label("max_tokens (0: None)", exact=True)
    most.fill("3")
    most.press("Enter")
    expect(ids).to_have_text(["red2", "blue1 (unknown)", "violet1 (unknown)"], timeout=SLOW)
    most.fill("2")
    most.press("Enter")
    expect(page.get_by_text("max_tokens must be at least 3", exact=False)).to_be_visible(timeout=SLOW)
    expect(text).to_be_hidden(timeout=SLOW)
    most.fill("3")
    most.press("Enter")
    expect(ids).to_have_text(["red2", "blue1 (unknown)", "violet1 (unknown)"], timeout=SLOW)
    expect(text).to_have_value("Red, blue! violet")
    table = page.get_by_label("Ids of a text", exact=True)
    table.fill("4 3")
    table.press("Enter")
    total = page.locator(".rv-product tfoot td")
    expect(total).to_have_text(["", "0.2", "0.8", "-0.6"], timeout=SLOW)
    word = page.get_by_label("Word", exact=True)
    word.fill("terrible")
    word.press("Enter")
    near = page.locator(".rv-table", has_text="cosine").first
    expect(near).to_contain_text("horrible", timeout=SLOW)
