"""A picture in a notebook or a file: complete in itself, text stays text, and it answers to mouse and keys."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import FrameLocator, Page, expect

import rnnviz
from rnnviz.analysis.units import rank_by_persistence
from rnnviz.charts.palette import HEX, scale_of
from rnnviz.checkpoints import Model
from rnnviz.config import CELL_TYPES
from rnnviz.errors import ConfigError, SaveError
from rnnviz.notebook import LONGEST
from tests.conftest import STRANGE_TEXTS, tiny_classifier, tiny_language_model

HOSTILE = (
    "</script><script>alert(1)</script><!--<script>\u2028 \U0001f600\U0001f44d\U0001f3fd e\u0301 "
    "\u05e9\u05dc \x00\x07\r\ud800|\n"
)
TYPES = {"values": "<f4", "shades": "<u1", "guesses": "<u4", "chances": "<f4", "bits": "<f4", "unknown": "<u1"}


def _recording(values: np.ndarray, tokens: str, cell_type: str = "lstm", logits: np.ndarray | None = None):
    """A recording with one layer whose hidden states are `values`, (time, unit)."""
    logits = np.zeros((len(tokens), 3), np.float32) if logits is None else logits
    return rnnviz.Recording("made", cell_type, tuple(tokens), {"hidden": values[:, None].astype(np.float32)}, logits)


def _waves(time: int, units: int) -> np.ndarray:
    """Values in (-1, 1) that differ everywhere."""
    return np.sin(0.13 * np.arange(time)[:, None] + np.arange(units) * 0.7) * 0.95


class _Data(HTMLParser):
    """Collects what a parser, not a regular expression, takes for the data, and every tag there is."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self._within = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self._within = ("id", "data") in attrs

    def handle_data(self, data: str) -> None:
        if self._within:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._within = False


def _data(picture: rnnviz.Picture) -> dict:
    found = json.loads(_Data(picture.html).text)
    return {k: np.frombuffer(base64.b64decode(v), TYPES[k]) if k in TYPES else v for k, v in found.items()}


@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_every_signal_of_every_cell(cell_type: str, tmp_path: Path) -> None:
    model = tiny_language_model(tmp_path / "m", cell_type)
    recording = rnnviz.record(model, "the lazy dog.\n")
    for signal, values in recording.signals.items():
        for layer in range(2):
            data = _data(rnnviz.show(recording, 3, layer=layer, signal=signal))
            assert np.array_equal(data["values"].reshape(14, 16), values[:, layer])
            assert np.array_equal(data["shades"].reshape(14, 16), scale_of(signal, cell_type).shade(values[:, layer]))
            assert (data["layer"], data["unit"], data["signal"]) == (layer, 3, signal)


def test_both_directions(tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "m", bidirectional=True)
    recording = rnnviz.record(model, "Not a good film")
    picture = rnnviz.show(recording, 2, signal="hidden_backward", vocabulary=model.config.labels)
    data = _data(picture)
    assert np.array_equal(data["values"].reshape(4, 16), recording.signals["hidden_backward"][:, 0])
    assert picture.title == "m, unit 2: hidden backward of layer 1"
    assert data["percent"] and data["rows"] == 1 and "bits" not in data
    probabilities = recording.probabilities()
    assert [data["names"][i] for i in data["guesses"]] == [model.config.labels[i] for i in probabilities.argmax(axis=1)]
    np.testing.assert_allclose(data["chances"], probabilities.max(axis=1), rtol=1e-6)


def test_a_unit_that_swings_and_holds_is_chosen_in_the_top_layer(language_model: Model) -> None:
    recording = rnnviz.record(language_model, "the quick brown fox")
    shades = scale_of("cell", "lstm").shade(recording.signals["cell"][:, 1])
    data = _data(rnnviz.show(recording, signal="cell"))
    assert (data["layer"], data["unit"]) == (1, rank_by_persistence(shades / 255)[0])


def test_guesses_and_surprise(language_model: Model) -> None:
    recording = rnnviz.record(language_model, "the \u00e9")
    vocabulary = language_model.tokenizer.vocabulary
    data = _data(rnnviz.show(recording, vocabulary=vocabulary))
    probabilities = recording.probabilities()
    best = np.argsort(-probabilities, axis=1)[:, :5]
    assert [data["names"][i] for i in data["guesses"]] == [vocabulary[i] for i in best.ravel()]
    np.testing.assert_allclose(data["chances"].reshape(5, 5), np.take_along_axis(probabilities, best, 1), rtol=1e-6)
    ids = language_model.tokenizer.encode("the \u00e9")
    expected = [0, *(-np.log2(probabilities[t, ids[t + 1]]) for t in range(4))]
    np.testing.assert_allclose(data["bits"], expected, rtol=1e-6)
    assert data["unknown"].tolist() == [0, 0, 0, 0, 1]


def test_labels_are_never_taken_for_the_next_word() -> None:
    recording = _recording(_waves(1, 4), "x", logits=np.array([[0.0, 1.0]]))
    data = _data(rnnviz.show(recording, vocabulary=("x", "positive")))
    assert "bits" not in data
    assert "guesses" not in _data(rnnviz.show(recording))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": 16}, "unit must be a whole number from 0 to 15, got 16"),
        ({"unit": -1}, "unit must be a whole number from 0 to 15, got -1"),
        ({"unit": 1.5}, "unit must be a whole number"),
        ({"unit": True}, "unit must be a whole number"),
        ({"layer": 2}, "layer must be a whole number from 0 to 1, got 2"),
        ({"signal": "reset_gate"}, "signal must be one of hidden, cell, .*, got 'reset_gate'"),
        ({"vocabulary": ["a"]}, "vocabulary must name the 30 outputs, got 1 names"),
    ],
)
def test_what_there_is_not_is_said_in_a_sentence(options: dict, message: str, language_model: Model) -> None:
    with pytest.raises(ConfigError, match=message):
        rnnviz.show(rnnviz.record(language_model, "the dog"), **options)


def test_a_recording_without_tokens() -> None:
    with pytest.raises(ConfigError, match="no token"):
        rnnviz.show(_recording(np.empty((0, 4)), ""))


def test_numpy_integers_and_values_that_are_no_numbers() -> None:
    values = _waves(5, 4)
    values[2, 1] = np.nan
    values[3, 1] = np.inf
    data = _data(rnnviz.show(_recording(values, "abcde", "rnn_relu"), np.int64(1)))
    assert np.array_equal(data["values"].reshape(5, 4), values.astype(np.float32), equal_nan=True)
    assert data["shades"].reshape(5, 4)[3, 1] == 255


def test_a_long_text_is_cut_and_says_so(page: Page, tmp_path: Path) -> None:
    recording = _recording(_waves(LONGEST + 1, 4), "x" * (LONGEST + 1))
    picture = rnnviz.show(recording)
    assert len(_data(picture)["tokens"]) == LONGEST
    _open(page, picture, tmp_path)
    expect(page.locator(".rv-notice")).to_contain_text("The first 2,000 of 2,001 tokens are shown")


def test_nothing_in_it_names_another_place_or_ends_its_data(language_model: Model) -> None:
    recording = rnnviz.record(language_model, HOSTILE)
    picture = rnnviz.show(recording, vocabulary=["</script><b>", *language_model.tokenizer.vocabulary[1:]])
    addresses = re.findall(r"(?:https?:|wss?:)?//[\w.-]+\.\w+[^\s\"']*", picture.html)
    assert set(addresses) <= {"http://www.w3.org/2000/svg"}
    parsed = _Data(picture.html)
    assert parsed.tags.count("script") == 2 and not {"img", "link", "b", "iframe"} & set(parsed.tags)
    data = re.search(r'id="data">(.*?)</script>', picture.html, re.DOTALL)[1]
    assert data.isascii() and not set("<>&") & set(data)
    assert "".join(json.loads(data)["tokens"]) == HOSTILE


def test_a_hostile_name_stays_a_name(page: Page, tmp_path: Path) -> None:
    recording = _recording(_waves(2, 2), "ab")
    name = '</title><script>alert(1)</script>"><img src=x onerror=alert(1)>\ud800'
    object.__setattr__(recording, "model_id", name)
    picture = rnnviz.show(recording)
    wrong = _open(page, picture, tmp_path)
    assert page.title().startswith("</title><script>alert(1)")
    page.goto("about:blank")
    page.set_content(picture._repr_html_())
    assert page.locator("img, script").count() == 0
    expect(page.frame_locator("iframe").locator("h1")).to_contain_text("</title><script>")
    assert not wrong


def test_saving(tmp_path: Path) -> None:
    picture = rnnviz.show(_recording(_waves(3, 4), "abc"))
    picture.save(str(tmp_path / "new" / "p.html"))
    assert (tmp_path / "new" / "p.html").read_text(encoding="utf-8") == picture.html
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["p.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError):
        picture.save(tmp_path / "file" / "p.html")
    assert len(repr(picture)) < 200


# ---- in a browser -------------------------------------------------------------------------------------------------


def _watch(page: Page) -> list[str]:
    """Return a growing list of what goes wrong: errors, dialogs, requests, complaints of the policy."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda line: wrong.append(f"console: {line.text}") if line.type == "error" else None)
    page.on(
        "request", lambda request: None if request.url.endswith(("/p.html", ":blank")) else wrong.append(request.url)
    )
    return wrong


def _open(page: Page, picture: rnnviz.Picture, folder: Path) -> list[str]:
    picture.save(folder / "p.html")
    wrong = _watch(page)
    page.goto((folder / "p.html").as_uri())
    expect(page.locator("h1")).to_have_text(picture.title)
    return wrong


def _colours(where: Page | FrameLocator) -> dict[str, int]:
    """Return the text's opaque colours as hex with their numbers of pixels."""
    counted = where.locator(".rv-editor canvas").evaluate(
        """canvas => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const found = {};
            for (let i = 0; i < data.length; i += 4) {
                if (data[i + 3] !== 255) continue;
                const code = "#" + [0, 1, 2].map((k) => data[i + k].toString(16).padStart(2, "0")).join("");
                found[code] = (found[code] ?? 0) + 1;
            }
            return found;
        }"""
    )
    return {code: n for code, n in counted.items() if n > 40}


def _expected(values: np.ndarray, cell_type: str = "lstm") -> set[str]:
    return {HEX[i] for i in scale_of("hidden", cell_type).shade(values.astype(np.float32))}


def test_colours_hover_click_and_keys(page: Page, tmp_path: Path) -> None:
    values = np.stack([np.linspace(-0.99, 0.99, 40), np.linspace(0.9, 0.1, 40), np.zeros(40)], axis=1)
    recording = _recording(values, "".join(map(chr, range(97, 117))) * 2)
    wrong = _open(page, rnnviz.show(recording, 0), tmp_path)
    colours = _colours(page)
    assert len(_expected(values[:, 0])) == 40
    assert _expected(values[:, 0]) <= set(colours)
    assert len(set(colours) & set(HEX)) == 40

    heat, read = page.locator(".rv-heat"), page.locator(".rv-read")
    heat.hover(position={"x": 46 + 14 * 5 + 7, "y": 14 * 1 + 7})
    expect(read).to_contain_text(f"unit 1, time 5, after \u201cf\u201d: hidden {values[5, 1]:.4f}")
    heat.click(position={"x": 46 + 14 * 5 + 7, "y": 14 * 1 + 7})
    expect(page.locator("h1")).to_have_text("made, unit 1: hidden of layer 1")
    assert _expected(values[:, 1]) <= set(_colours(page))

    heat.press("ArrowDown")
    heat.press("ArrowRight")
    expect(read).to_contain_text("unit 2, time 6, after \u201cg\u201d: hidden 0.0000")
    heat.press("Enter")
    expect(page.locator("h1")).to_have_text("made, unit 2: hidden of layer 1")
    page.get_by_label("Unit", exact=True).fill("0")
    page.get_by_label("Unit", exact=True).press("Enter")
    expect(page.locator("h1")).to_have_text("made, unit 0: hidden of layer 1")
    page.get_by_label("Unit", exact=True).fill("3")
    page.get_by_label("Unit", exact=True).press("Enter")
    expect(page.get_by_label("Unit", exact=True)).to_have_value("0")

    page.locator(".rv-editor").hover(position={"x": 14, "y": 24})
    expect(read).to_contain_text(f"unit 0, time 0, after \u201ca\u201d: hidden \u2212{-values[0, 0]:.4f}")
    page.mouse.move(5, 5)
    expect(read).to_have_text("")
    assert not wrong


def test_an_unbounded_signal_shows_the_value_itself(page: Page, tmp_path: Path) -> None:
    values = np.array([[0.0, 0.0], [12.5, 0.25], [1e-5, 0.0]])
    recording = _recording(values, "abc", "rnn_relu")
    wrong = _open(page, rnnviz.show(recording, 0), tmp_path)
    expect(page.locator(".rv-legend").first).to_contain_text("tanh = 1")
    page.locator(".rv-heat").hover(position={"x": 46 + 14 + 7, "y": 7})
    expect(page.locator(".rv-read")).to_contain_text("hidden 12.5000")
    page.locator(".rv-heat").hover(position={"x": 46 + 28 + 7, "y": 7})
    expect(page.locator(".rv-read")).to_contain_text("hidden 1.000e−5")
    assert _expected(values[:, 0], "rnn_relu") <= set(_colours(page))
    assert not wrong


@pytest.mark.parametrize("text", [HOSTILE, *STRANGE_TEXTS.values()], ids=["hostile", *STRANGE_TEXTS])
def test_strange_texts_stay_text(text: str, page: Page, tmp_path: Path) -> None:
    text = text[:200]
    values = np.linspace(-1, 1, len(text))[:, None] * np.ones((1, 2))
    wrong = _open(page, rnnviz.show(_recording(values, text), 0), tmp_path)
    assert page.title() == "made, unit 0: hidden of layer 1"
    page.set_viewport_size({"width": 390, "height": 1500})
    page.wait_for_timeout(200)
    assert set(_colours(page)) & set(HEX) == _expected(values[:, 0])
    assert page.locator("script").count() == 2 and page.locator("img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not wrong


def test_words_are_told_apart_and_long_ones_cut(page: Page, tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "m")
    recording = rnnviz.record(model, "Not a good " + "x" * 500)
    page.set_viewport_size({"width": 390, "height": 800})
    wrong = _open(page, rnnviz.show(recording, 0, vocabulary=model.config.labels), tmp_path)
    page.locator(".rv-heat").hover(position={"x": 46 + 42 + 7, "y": 7})
    expect(page.locator(".rv-read")).to_contain_text("x" * 500)
    expect(page.locator(".rv-read")).to_contain_text(re.compile(r"answer (negative|positive) \d+\.\d %"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert not wrong


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_letters_can_be_read_by_day_and_night(scheme: str, page: Page, tmp_path: Path) -> None:
    page.emulate_media(color_scheme=scheme)
    _open(page, rnnviz.show(_recording(_waves(9, 4), "some text")), tmp_path)
    ink, ground = (
        sum(map(int, re.findall(r"\d+", page.evaluate(f"getComputedStyle(document.body).{name}"))[:3]))
        for name in ("color", "backgroundColor")
    )
    assert (ink > ground + 500) if scheme == "dark" else (ground > ink + 500)


def test_two_pictures_in_one_notebook(page: Page, language_model: Model) -> None:
    recording = rnnviz.record(language_model, 'the "dog" & the <fox>')
    first, second = (rnnviz.show(recording, unit, layer=unit) for unit in (0, 1))
    wrong = _watch(page)
    own = "<style>h1, button {display: none} canvas {opacity: 0}</style><h1 id='data'>Notebook</h1>"
    page.set_content(own + first._repr_html_() + second._repr_html_())
    frames = [page.frame_locator("iframe").nth(i) for i in range(2)]
    expect(page.locator("iframe").first).to_have_attribute("title", first.title)
    for i, frame in enumerate(frames):
        expect(frame.locator("h1")).to_have_text(f"tiny-lm, unit {i}: hidden of layer {i + 1}")
        values = recording.signals["hidden"][:, i, i]
        assert set(_colours(frame)) & set(HEX) <= _expected(values)
    frames[0].locator(".rv-heat").click(position={"x": 46 + 7, "y": 14 * 4 + 7})
    expect(frames[0].locator("h1")).to_have_text("tiny-lm, unit 4: hidden of layer 1")
    expect(frames[1].locator("h1")).to_have_text("tiny-lm, unit 1: hidden of layer 2")
    assert page.locator("iframe").first.get_attribute("sandbox") == "allow-scripts"
    assert not wrong
