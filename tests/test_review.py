"""The live view of a review: log-odds against whole predictions, what the browser says and keeps, its arithmetic."""

import json
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from rnnviz import browser, checkpoints, session
from rnnviz.checkpoints import Model
from rnnviz.config import LONGEST, ModelConfig
from rnnviz.live import odds
from rnnviz.live.odds import log_odds, odds_at_start
from rnnviz.live.session import LiveSession
from rnnviz.live.wire import unpack
from rnnviz.network import Network
from rnnviz.record import predict
from rnnviz.recording import softmax
from rnnviz.text import WordTokenizer
from tests.conftest import STRANGE_TEXTS, tiny_classifier, tiny_language_model

TEXT = "The film was <b>NOT</b> bad, not bad at all: the plot wobbled... good acting! \U0001f600 don\u2019t"
NODE = shutil.which("node")
HERE = Path(browser.__file__).parent
KEY = "sentiment_live"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    """Tiny classifiers, each made once, that answer far from one half."""

    @cache
    def make(**shape: object) -> Model:
        torch.manual_seed(1)
        model = tiny_classifier(tmp_path_factory.mktemp("m") / "tiny", **shape)
        model.network.head.weight.data.mul_(4)
        if model.network.initial_state is not None:
            model.network.initial_state.data.normal_()
        return model

    return make


def _session(model: Model) -> LiveSession:
    live = LiveSession()
    live._load = lambda _: model
    return live


def _ask(live: LiveSession, text: str, **more: object) -> tuple[dict, dict[str, np.ndarray]]:
    """Ask for a text's log-odds; all messages joined."""
    request = {"ask": "read", "seq": 1, "model": "m", "text": text, "output": 1, **more}
    answers = [unpack(message) for message in live.answer(request)]
    headers = [header for header, _ in answers]
    if "error" in headers[0]:
        return headers[0], {}
    assert [header["done"] for header in headers] == [False] * (len(headers) - 1) + [True]
    parts = [arrays["odds"] for _, arrays in answers if "odds" in arrays]
    found = np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
    for (header, arrays), before in zip(answers, np.cumsum([0, *map(len, parts)]), strict=False):
        assert header["base"] == headers[0]["base"] + before or "odds" not in arrays
    return headers[0], {"odds": found, "ids": answers[0][1]["ids"]}


def _chances(found: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-found.astype(np.float64)))


# --- The numbers ---------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-20, 20, width=32), min_size=2, max_size=5), st.data())
def test_log_odds_are_those_of_the_softmax(logits: list[float], data: st.DataObject) -> None:
    output = data.draw(st.integers(0, len(logits) - 1))
    found = log_odds(np.array([logits], dtype=np.float32), output)
    p = softmax(np.array([logits]))[0]
    assert np.isclose(found[0], np.log(p[output]) - np.log(np.delete(p, output).sum()), atol=1e-5)


def test_log_odds_of_two_classes_are_the_difference_and_stay_exact_where_the_probability_is_one() -> None:
    found = log_odds(np.array([[-400.0, 500.0], [3.0, 1.0]], dtype=np.float32), 1)
    assert found.tolist() == [900.0, -2.0]


@pytest.mark.parametrize("both_ways", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "all"])
def test_every_beginning_is_answered_as_predict_answers_it(
    made: Callable[..., Model], pooling: str, both_ways: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(odds, "_ANEW_AT_ONCE", 5)
    model = made(pooling=pooling, bidirectional=both_ways, num_layers=2)
    expected = predict(model, TEXT)
    header, arrays = _ask(_session(model), TEXT)
    assert np.allclose(_chances(arrays["odds"]), expected.probabilities[:, 1], atol=1e-5)
    assert header["tokens"] == list(expected.tokens)
    assert header["total"] == header["count"] == len(arrays["ids"]) == len(expected.tokens)
    places = [TEXT[first:last].lower().replace("\u2019", "'") for first, last in header["spans"]]
    assert places == header["tokens"]
    strange = [token for token, i in zip(header["tokens"], arrays["ids"], strict=True) if i == 1]
    assert list(dict.fromkeys(strange)) == list(expected.unknown)
    assert (header["start"] is None) == (pooling != "last")


@pytest.mark.parametrize("shape", [{}, {"pooling": "mean"}, {"bidirectional": True}], ids=str)
def test_typed_word_by_word_only_what_is_new_is_sent(made: Callable[..., Model], shape: dict) -> None:
    model = made(**shape)
    live, held, tokens = _session(model), [], []
    words = ["not ", "bad, ", "<i>", "the ", "plot ", "wob"]
    for i in range(len(words)):
        text = "".join(words[: i + 1])
        header, arrays = _ask(live, text, have=len(held), at=len(text) - len(words[i]))
        assert header["base"] == len(held)
        held, tokens = [*held, *arrays["odds"]], tokens + header["tokens"]
        expected = predict(model, text)
        assert np.allclose(_chances(np.array(held)), expected.probabilities[:, 1], atol=1e-5)
        assert tokens == list(expected.tokens)
        assert [text[first:last] for first, last in header["spans"]] == header["tokens"]
        assert len(arrays["ids"]) == len(tokens)
    header, arrays = _ask(live, "not good", have=5, at=20)
    assert header["base"] == 0, "who has more words than the text has begins anew"
    assert np.allclose(_chances(arrays["odds"]), predict(model, "not good").probabilities[:, 1], atol=1e-5)


@pytest.mark.parametrize("both_ways", [False, True])
def test_before_any_word_the_head_reads_the_state_it_starts_from(made: Callable[..., Model], both_ways: bool) -> None:
    network = made(learned_initial_state=not both_ways, bidirectional=both_ways).network
    states = torch.zeros(16 * (1 + both_ways)) if both_ways else network.initial_state[0, 0, 0]
    with torch.no_grad():
        low, high = network.head(states).tolist()
    assert odds_at_start(network, 1) == pytest.approx(high - low, rel=1e-5)
    assert odds_at_start(network, 0) == pytest.approx(low - high, rel=1e-5)
    for pooling in ("mean", "max", "all"):
        assert odds_at_start(made(pooling=pooling).network, 1) is None


def test_a_long_text_is_cut_and_says_how_long_it_is(
    made: Callable[..., Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    header, arrays = _ask(_session(made()), "good film " * 1500)
    assert (header["count"], header["total"], len(arrays["odds"])) == (3000, LONGEST, LONGEST)
    monkeypatch.setattr(odds, "MOST_ANEW", 7)
    header, arrays = _ask(_session(made(bidirectional=True)), "good film " * 10)
    assert (header["count"], header["total"], len(arrays["odds"])) == (20, 7, 7)
    expected = predict(made(bidirectional=True), "good film " * 3 + "good").probabilities[:, 1]
    assert np.allclose(_chances(arrays["odds"]), expected, atol=1e-5)


@pytest.mark.parametrize("text", STRANGE_TEXTS.values(), ids=STRANGE_TEXTS)
def test_strange_texts_are_answered(made: Callable[..., Model], text: str) -> None:
    header, arrays = _ask(_session(made(pooling="mean")), text)
    assert header["total"] == len(arrays["odds"]) > 0
    assert np.isfinite(arrays["odds"]).all()


def test_bad_requests_get_one_sentence(made: Callable[..., Model], tmp_path: Path) -> None:
    live = _session(made())
    for text, more, said in (
        ("... !!", {}, "no word"),
        ("", {}, "empty"),
        ("good", {"output": 2}, "output"),
        ("good", {"output": None}, "output"),
        ("good", {"have": -1}, "have"),
        ("good", {"have": 1, "at": 9}, "at"),
    ):
        assert said in _ask(live, text, **more)[0]["error"]
    model = tiny_language_model(tmp_path / "writer")
    assert "writer" in _ask(_session(model), "the quick")[0]["error"]


# --- What Streamlit is told ----------------------------------------------------------------------------------------

HEAR = """
import streamlit as st
from rnnviz.components.review import hear
st.session_state["kept"] = None
hear("k", ["a", "b", "c", "d"], lambda said: st.session_state.__setitem__("kept", said))
"""


def _heard(said: object) -> object:
    app = AppTest.from_string(HEAR, default_timeout=60)
    app.session_state["k"] = {"said": said}
    app.run()
    assert not app.exception
    return app.session_state["kept"]


def test_what_the_browser_says_is_kept() -> None:
    kept = _heard({"text": "not good", "models": ["c", "a"], "coloured": "a", "count": 1})
    assert (kept.text, kept.models, kept.coloured) == ("not good", ("a", "c"), "a")
    kept = _heard({"text": "", "models": ["d", "c", "b", "a", "x", 3], "coloured": "x"})
    assert (kept.text, kept.models, kept.coloured) == ("", ("a", "b", "c"), "a")
    kept = _heard({"text": "x", "models": None, "coloured": ["a"]})
    assert (kept.text, kept.models, kept.coloured) == ("x", (), "")


@pytest.mark.parametrize("said", [None, 3, [], {}, {"text": None}, {"text": 5, "models": []}])
def test_what_makes_no_sense_is_not_kept(said: object) -> None:
    assert _heard(said) is None


PAGE = """
from rnnviz import session
from rnnviz.components import rerun, review
from rnnviz.pages.sentiment import live
session.keep_state()
live.render()
if review.st.session_state.get("act"):
    review.hear("sentiment_live", ["both", "imdb-lstm", "imdb-rnn", "letters"], live._keep)
"""


@pytest.fixture
def view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_classifier(tmp_path / "imdb-lstm", pooling="mean")
    tiny_classifier(tmp_path / "imdb-rnn", "rnn_tanh")
    tiny_classifier(tmp_path / "both", bidirectional=True)
    letters = WordTokenizer.fit(["good bad film"], split="character")
    labels = ("negative", "positive")
    config = ModelConfig("classifier", "lstm", len(letters), 2, 4, 4, padding_index=0, labels=labels)
    checkpoints.save(tmp_path / "letters", Network(config), letters, {"name": "letters"})
    return AppTest.from_string(PAGE, default_timeout=60)


def _mounted(app: AppTest) -> dict:
    assert not app.exception
    assert not app.error
    return json.loads(app.get("bidi_component")[0].proto.json)


def test_the_view_starts_with_what_was_typed_and_chosen_elsewhere(view: AppTest) -> None:
    mounted = _mounted(view.run())
    text = session.EXAMPLES["review"]
    assert mounted["start"] == {"text": text, "models": ["imdb-lstm", "imdb-rnn"], "coloured": "imdb-lstm"}
    about = {model["name"]: model for model in mounted["models"]}
    assert about["both"]["both_ways"]
    assert (about["imdb-lstm"]["pooling"], about["imdb-lstm"]["followed"]) == ("mean", "positive")
    assert (about["letters"]["token"], about["imdb-rnn"]["token"]) == ("character", "word")
    assert ["difficult not easy", "difficult not easy"] in mounted["examples"]
    view.session_state["keep_review"] = "not good"
    view.session_state["keep_sentiment_model"] = "both"
    start = _mounted(view.run())["start"]
    assert start == {"text": "not good", "models": ["both", "imdb-rnn"], "coloured": "both"}


def test_what_is_said_here_goes_to_the_other_views(view: AppTest) -> None:
    said = {"text": "a text <script>", "models": ["letters", "both"], "coloured": "letters", "count": 2}
    view.session_state[KEY] = {"said": said}
    view.session_state["act"] = True
    view.run()
    assert view.session_state["keep_review"] == "a text <script>"
    assert view.session_state["keep_sentiment_model"] == "letters"
    view.session_state["act"] = False
    assert _mounted(view.run())["start"] == {
        **{k: said[k] for k in ("text", "coloured")},
        "models": ["both", "letters"],
    }


def test_a_rerun_answers_where_there_is_no_live_connection(view: AppTest) -> None:
    view.session_state[KEY] = {"ask": {"ask": "read", "seq": 4, "model": "imdb-lstm", "text": "good film", "output": 1}}
    code = PAGE.replace("live.render()", 'rerun.answer("sentiment_live")')
    app = AppTest.from_string(code, default_timeout=60)
    app.session_state[KEY] = view.session_state[KEY]
    app.run()
    assert not app.exception
    count, messages = app.session_state[f"{KEY}_answer"]
    header, arrays = unpack(messages[0])
    assert (count, header["seq"], header["tokens"], len(arrays["odds"])) == (1, 4, ["good", "film"], 2)


# --- What the browser works out ------------------------------------------------------------------------------------

TRACK = """
import { Track } from "./review_track.mjs";
const track = new Track({ classes: 3, unknown: 1 }, 100);
const told = [];
const say = (...values) => told.push(values);
const send = (text, header, ids, odds) =>
  track.take(text, { total: ids.length, count: ids.length, start: null, done: true, ...header },
    { ids: Uint32Array.from(ids), odds: Float32Array.from(odds) });
const smile = "\\u{1f600}";
say(track.kept("good"));
const words = { base: 0, tokens: [smile, "good", "b"], spans: [[0, 1], [2, 6], [8, 9]] };
say(send(`${smile} good <b`, words, [1, 5, 7], [1, 3, 2]));
say(track.spans, track.strange(0), track.strange(1));
say(track.move(1), track.move(2), track.move(0) - Math.log(2) - 1);
say(track.answered(`${smile} good <b`), track.answered(`${smile} good <`));
say(...["good <bx", "goo"].map((rest) => track.kept(`${smile} ${rest}`)), track.kept("\\u{1f601}"));
say(track.kept(`${smile} good <b`));
const bad = { base: 2, tokens: ["bad"], spans: [[7, 10]] };
say(send(`${smile} good bad`, bad, [1, 5, 6], [-1]));
say(track.tokens, track.spans, track.move(2), track.valid);
say(send(`${smile} fine bad`, bad, [1, 9, 6], [-1]), track.text, track.kept("x"));
say(send("x", { error: "no" }, [], []), track.error, track.answered("x"), track.kept("x y"));
console.log(JSON.stringify(told));
"""
CHART = """
import { roomFor, thinned, wholeTicks } from "./review_chart.mjs";
const long = Array.from({ length: 2001 }, (_, i) => (i === 777 ? 1 : i === 1234 ? 0 : 0.5));
const few = thinned(long, 1, 100);
console.log(JSON.stringify([
  [0, 1, 10, 11, 16, 99, 101, 2000].map(roomFor), wholeTicks(10), wholeTicks(300), wholeTicks(2000, 5),
  thinned([0, 1, 2], 1, 100), few.length, few.includes(777), few.includes(1234), few[0], few.at(-1),
  few.every((v, i) => i === 0 || v > few[i - 1]),
]));
"""


def _run(script: str, folder: Path) -> list:
    """Run a script beside the browser's modules."""
    for path in HERE.glob("*.js"):
        source = path.read_text(encoding="utf-8").replace('.js";', '.mjs";')
        (folder / f"{path.stem}.mjs").write_text(source, encoding="utf-8")
    (folder / "test.mjs").write_text(script, encoding="utf-8")
    done = subprocess.run([NODE, "test.mjs"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_browser_keeps_the_words_before_an_edit_and_no_others(tmp_path: Path) -> None:
    assert _run(TRACK, tmp_path) == [
        [[0, 0]],
        [True],
        [[[0, 2], [3, 7], [9, 10]], True, False],
        [2, -1, 0],
        [True, False],
        [[2, 6], [1, 1], [0, 0]],
        [[3, 9]],
        [True],
        [["\U0001f600", "good", "bad"], [[0, 2], [3, 7], [8, 11]], -4, 3],
        [True, None, [0, 0]],
        [True, "no", True, [0, 0]],
    ]


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_long_lines_are_thinned_without_losing_a_peak(tmp_path: Path) -> None:
    rooms, ten, hundreds, thousands, short, count, peak, pit, first, last, sorted_ = _run(CHART, tmp_path)
    assert rooms == [10, 10, 10, 15, 20, 100, 150, 2000]
    assert ten == [0, 2, 4, 6, 8, 10]
    assert hundreds == [0, 50, 100, 150, 200, 250, 300]
    assert thousands == [0, 500, 1000, 1500, 2000]
    assert short == [1, 2]
    assert count <= 400
    assert peak
    assert pit
    assert (first, last) == (1, 2000)
    assert sorted_
