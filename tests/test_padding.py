"""Padding: masks and packing against the text read alone, packing against torch's own, the view and its charts."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from rnnviz import checkpoints, session
from rnnviz.analysis.padded import (
    ALONE,
    LEFT,
    MASKED_LEFT,
    MASKED_RIGHT,
    PACKED,
    RIGHT,
    WAYS,
    has_packing,
    padding_xray,
    read_padded,
)
from rnnviz.charts.padded import PAD, Line, Way, difference_text, drift_chart, strip_chart, ways_html
from rnnviz.charts.palette import scale_of
from rnnviz.config import CELL_TYPES, FEEDFORWARD, ModelConfig
from rnnviz.errors import ConfigError
from rnnviz.feedforward import build
from rnnviz.network import Network, at_end, seeded_network
from rnnviz.recording import softmax
from tests.conftest import STRANGE_TEXTS, tiny_classifier

CODE = "from rnnviz import session\nfrom rnnviz.pages.sentiment import padding\nsession.keep_state()\n"
IDS = np.array([3, 5, 2, 7, 7, 4])
STEPS = 5
SLOW = 60_000


def _network(cell_type: str = "lstm", **shape: object) -> Network:
    """A network with random weights in float64, its initial state too where it is learned."""
    config = ModelConfig("classifier", cell_type, 9, 2, 4, 6, padding_index=0, labels=("no", "yes"), **shape)
    network = seeded_network(config, 1).double().eval().requires_grad_(False)
    if network.initial_state is not None:
        network.initial_state.uniform_(-0.5, 0.5)
    return network


_SHAPES = [
    {"pooling": "last", "num_layers": 2},
    {"pooling": "mean", "bidirectional": True},
    {"pooling": "last", "bidirectional": True, "num_layers": 2, "learned_initial_state": True},
    {"pooling": "all", "pair_buckets": 32, "dense_size": 12},
]


@pytest.mark.parametrize("shape", _SHAPES, ids=str)
@pytest.mark.parametrize("cell_type", CELL_TYPES)
def test_packing_and_masks_give_the_truth_and_the_others_do_not(cell_type: str, shape: dict) -> None:
    network = _network(cell_type, **shape)
    found = read_padded(network, IDS, STEPS)
    assert tuple(found) == WAYS
    truth = found[ALONE]
    direct = network(torch.from_numpy(IDS)[None], torch.tensor([len(IDS)])).logits
    assert truth.probabilities == pytest.approx(softmax(direct[0, -1].numpy()), abs=1e-9)
    for way in (PACKED, MASKED_RIGHT, MASKED_LEFT):
        assert found[way].probabilities == pytest.approx(truth.probabilities, abs=1e-6), way
        assert np.allclose(found[way].hidden[~found[way].padding], truth.hidden, rtol=0, atol=1e-6), way
    for way in (RIGHT, LEFT):
        assert abs(found[way].probabilities - truth.probabilities).max() > 1e-8, way
    assert np.isnan(found[PACKED].hidden[found[PACKED].padding]).all()


@pytest.mark.parametrize(
    ("cell_type", "kind"), [("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU), ("rnn_tanh", torch.nn.RNN)]
)
def test_packing_is_torch_s_own(cell_type: str, kind: type) -> None:
    """A batch of two lengths through one torch module of two layers and both directions, with the same weights."""
    network = _network(cell_type, num_layers=2, bidirectional=True)
    theirs = kind(4, 6, num_layers=2, bidirectional=True, batch_first=True).double()
    for layer in range(2):
        for suffix in ("", "_reverse"):
            ours = network.recurrent[layer][f"d{suffix}"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                getattr(theirs, f"{name}_l{layer}{suffix}").data.copy_(getattr(ours, f"{name}_l0"))
    ids = np.concatenate([IDS, np.zeros(STEPS, dtype=np.int64)])
    batch = network.embed(torch.from_numpy(np.stack([ids, np.full(len(ids), 2)])))
    packed = pack_padded_sequence(batch, torch.tensor([len(IDS), len(ids)]), batch_first=True, enforce_sorted=False)
    with torch.no_grad():
        expected = pad_packed_sequence(theirs(packed)[0], batch_first=True)[0][0, : len(IDS)].numpy()
    assert np.allclose(read_padded(network, IDS, STEPS)[PACKED].hidden[: len(IDS)], expected, rtol=0, atol=1e-9)


def test_only_torch_s_cells_are_packed() -> None:
    assert [has_packing(_network(cell)) for cell in ("rnn_tanh", "rnn_relu", "lstm", "gru")] == [True] * 4
    assert not any(has_packing(_network(cell)) for cell in ("gru_textbook", "residual", "rnn_sigmoid"))


def test_a_masked_step_hands_the_state_on_and_an_unmasked_one_does_not() -> None:
    network = _network("rnn_tanh", learned_initial_state=True)
    found = read_padded(network, IDS, STEPS)
    right, left = found[MASKED_RIGHT].hidden, found[MASKED_LEFT].hidden
    assert (right[len(IDS) :] == right[len(IDS) - 1]).all()
    assert np.allclose(left[:STEPS], network.initial_state[0, 0, 0].numpy())
    layer = network.recurrent[0]["d"]
    state = torch.from_numpy(found[ALONE].hidden[-1])
    for column in range(len(IDS), len(IDS) + STEPS):  # a zero vector is read, and yet:
        state = torch.tanh(layer.weight_hh_l0 @ state + layer.bias_ih_l0 + layer.bias_hh_l0)
        assert np.allclose(found[RIGHT].hidden[column], state.numpy())


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_without_a_mask_padding_is_pooled_too(pooling: str) -> None:
    network = _network(pooling=pooling)
    found = read_padded(network, IDS, STEPS)
    for way, (first, last) in {RIGHT: (0, 10), LEFT: (0, 10), PACKED: (0, 5), MASKED_LEFT: (5, 10)}.items():
        assert (found[way].first, found[way].last) == (first, last)
        states = found[way].hidden[first : last + 1]
        read = states.mean(axis=0) if pooling == "mean" else states.max(axis=0)
        logits = network.head(torch.from_numpy(read)).numpy()
        assert found[way].probabilities == pytest.approx(softmax(logits), abs=1e-9)


def test_the_last_column_is_read_by_mistake() -> None:
    network = _network("gru")
    padded = torch.from_numpy(np.concatenate([IDS, np.zeros(STEPS, dtype=np.int64)]))[None]
    logits = network(padded).logits
    found = read_padded(network, IDS, STEPS)
    assert found[RIGHT].last == len(IDS) + STEPS - 1
    assert found[RIGHT].probabilities == pytest.approx(softmax(logits[0, -1].numpy()), abs=1e-9)
    assert found[PACKED].probabilities == pytest.approx(
        softmax(at_end(logits, torch.tensor([len(IDS)]))[0].numpy()), abs=1e-9
    )


def test_no_padding_no_difference_and_impossible_requests() -> None:
    network = _network()
    found = read_padded(network, IDS[:1], 0)
    assert all(np.allclose(one.probabilities, found[ALONE].probabilities) for one in found.values())
    assert np.isnan(padding_xray(network, IDS[:1], padding=0).drifts[0].last_move)
    with pytest.raises(ConfigError, match="not be negative"):
        read_padded(network, IDS, -1)
    plain = ModelConfig("classifier", FEEDFORWARD, 9, 2, 4, 6, padding_index=0, labels=("no", "yes"), window=8)
    with pytest.raises(ConfigError, match="feed-forward"):
        read_padded(build(plain), IDS, 1)
    with pytest.raises(ValueError, match="at least one"):
        read_padded(network, IDS[:0], 1)


def test_a_state_that_overflows_is_no_number() -> None:
    network = _network("rnn_relu", pooling="mean").float()
    network.recurrent[0]["d"].weight_hh_l0.fill_(2.0)
    xray = padding_xray(network, IDS, padding=100)
    assert np.isnan(xray.probabilities[RIGHT]).all()
    assert np.isfinite(xray.probabilities[MASKED_RIGHT]).all()
    row = Way(RIGHT, "a", "b", "c", float(xray.probabilities[RIGHT][1]), float("nan"), True)
    assert "no number" in ways_html([row], "yes")
    line = Line("right", xray.drifts[0].distances[RIGHT])
    assert drift_chart([line], ["a"] * 106, (6, 105), 1.0, "t", "s").to_dict()["datasets"]["drift"]


@pytest.mark.parametrize("backwards", [False, True])
def test_the_drift_is_measured_from_where_each_direction_ends(backwards: bool) -> None:
    network = _network(bidirectional=True)
    xray, found = padding_xray(network, IDS, padding=STEPS), read_padded(network, IDS, STEPS)
    drift, half = xray.drifts[backwards], slice(6, 12) if backwards else slice(0, 6)
    true = found[ALONE].hidden[0 if backwards else -1, half]
    after = LEFT if backwards else RIGHT  # where a direction meets the padding last
    for way in WAYS:
        expected = np.sqrt(((found[way].hidden[:, half] - true) ** 2).sum(axis=1))
        assert np.allclose(drift.distances[way], expected, equal_nan=True)
    moved = np.abs(found[after].hidden[found[after].padding][:, half] - true).max(axis=0)
    assert drift.units.tolist() == np.argsort(-moved).tolist()
    assert np.allclose(drift.values[after], found[after].hidden[:, half][:, drift.units])
    end = found[after].hidden[[0, 1] if backwards else [-1, -2], half]
    assert drift.last_move == pytest.approx(np.linalg.norm(end[0] - end[1]))


def test_what_is_read_at_a_step_of_padding() -> None:
    assert padding_xray(_network(), IDS, padding=1).input_norm == 0
    assert padding_xray(_network(pair_buckets=16), IDS, padding=1).input_norm > 0, "pairs have a vector for padding"


def test_the_table_is_text_and_rounding_is_no_difference() -> None:
    rows = [Way(RIGHT, "<b>", "<script>", "h", 0.5, -0.25, True), Way(PACKED, "b", "c", "h", 0.75, 1e-8, False)]
    html = ways_html(rows, "<i>")
    assert "<script>" not in html
    assert "<i>" not in html
    assert "\u221225.00 points, another answer" in html
    assert [difference_text(d) for d in (2e-8, 5e-5, 0.5)] == ["0", "+0.0050 points", "+50.00 points"]


def _frames(chart: dict) -> list[pd.DataFrame]:
    return [pd.DataFrame(rows) for rows in chart["datasets"].values()]


def test_the_padded_stretch_is_shaded_and_the_axis_is_the_one_given() -> None:
    lines = [Line("alone", np.array([2.0, 0.0]), 3, thick=True), Line("left", np.array([3, 3, 3, 2, np.nan]))]
    chart = drift_chart(lines, [*[PAD] * 3, "a", "b"], (0, 2), 4.0, "t", "s").to_dict()
    data = pd.DataFrame(chart["datasets"]["drift"])
    assert data[data["network"] == "alone"][["column", "word"]].values.tolist() == [[4, "a"], [5, "b"]]
    assert len(data[data["network"] == "left"]) == 4, "what was never computed is not drawn"
    shade = next(frame for frame in _frames(chart) if "to" in frame)
    assert shade[["column", "to", "text"]].values.tolist() == [[0.5, 3.5, "padding"]]
    scales = [layer["encoding"].get("y", {}).get("scale", {}).get("domain") for layer in chart["layer"]]
    assert [0, 4.0] in scales
    none = drift_chart(lines, list("abcde"), (5, 4), 4.0, "t", "s").to_dict()
    assert not any("to" in frame for frame in _frames(none))


@pytest.mark.parametrize(
    ("cell_type", "low", "value"), [("lstm", -1, 3.0), ("rnn_relu", -1, np.tanh(3)), ("rnn_sigmoid", 0, 3)]
)
def test_the_strip_has_the_signal_s_scale_and_marks_what_is_read(cell_type: str, low: float, value: float) -> None:
    time = 300
    values, padding = np.full((time, 2), 3.0), np.arange(time) >= 200
    values[250:] = np.nan
    words = [f"w{i}" for i in range(time)]
    chart = strip_chart(
        values, np.array([7, 2]), words, padding, {"read": 199}, scale_of("hidden", cell_type), "t", "s"
    ).to_dict()
    color = next(layer["encoding"]["color"] for layer in chart["layer"] if "color" in layer["encoding"])
    assert color["scale"]["domain"] == [low, 1]
    cells = next(frame for frame in _frames(chart) if "unit" in frame)
    assert cells["at"].nunique() <= 120
    assert cells["at"].max() <= 250
    assert cells["shown"].unique() == pytest.approx([value], abs=1e-3)
    assert (cells["word"] == [f"w{at - 1}" for at in cells["at"]]).all()
    marks = pd.concat(frame for frame in _frames(chart) if "unit" not in frame)
    assert marks.set_index("text")["column"].to_dict() == {"read": 200, "padding \u2192": 200.5}
    assert chart["title"]["subtitle"] == "s; one column in 3"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny models, so that the view holds whatever is shipped."""
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_classifier(tmp_path / "imdb-lstm", pooling="mean")
    return tmp_path


def _view(text: str = "good film not bad the padding", **state: object) -> AppTest:
    app = AppTest.from_string(CODE + "session.guarded(padding.render)()\n", default_timeout=60)
    app.session_state["keep_review"] = text
    for key, value in state.items():
        app.session_state[f"keep_{key}"] = value
    return app.run()


def _rows(app: AppTest) -> dict[str, list[str]]:
    """Way -> the cells of its row in the table."""
    html = "".join(element.proto.body for element in app.get("html"))
    found = re.findall(r'<tr data-way="(.*?)".*?>(.*?)</tr>', html)
    return {way: re.findall(r"<td.*?>(.*?)</td>", cells) for way, cells in found}


def test_first_sight_doubles_the_text_and_the_number_moves_it(models: Path) -> None:
    app = _view()
    assert not app.exception
    assert not app.error
    assert app.number_input(key="keep_padding_steps").value == 6
    assert len(app.get("vega_lite_chart")) == 3
    before = _rows(app)
    assert tuple(before) == WAYS
    final = session.prediction(session.load_model("imdb-lstm"), "good film not bad the padding").final["positive"]
    assert before[ALONE][2] == before[PACKED][2] == before[MASKED_LEFT][2] == f"{final:.2%}"
    assert before[RIGHT][1] == "the mean over columns 1 to 12"
    assert before[MASKED_LEFT][1] == "the mean over columns 7 to 12"
    app.number_input(key="keep_padding_steps").set_value(200).run()
    assert not app.exception
    after = _rows(app)
    assert {way for way in WAYS if after[way][2] != before[way][2]} == {RIGHT, LEFT}


@pytest.mark.parametrize("text", [STRANGE_TEXTS["long"], STRANGE_TEXTS["markup"], ""], ids=["long", "markup", "empty"])
def test_strange_texts(models: Path, text: str) -> None:
    app = _view(text, padding_way=LEFT)
    assert not app.exception
    assert len(app.error) == (not text)
    assert "<script" not in "".join(element.proto.body for element in app.get("html"))
    if len(text) > 1000:
        assert "first 500 of 4,500 words" in app.info[0].value
        assert app.number_input(key="keep_padding_steps").value == 500


def test_one_unknown_word_without_padding(models: Path) -> None:
    tiny_classifier(models / "other", "rnn_relu", pair_buckets=64)
    app = _view("zzyzx", sentiment_model="other", padding_steps=0, padding_way=ALONE)
    assert not app.exception
    assert not app.error
    assert all(row[1] == "h at column 1" and row[3] == "0" for row in _rows(app).values())


@pytest.mark.parametrize(
    ("cell_type", "shape", "way", "read"),
    [
        ("lstm", {"bidirectional": True, "num_layers": 2}, MASKED_LEFT, "h at column 12, backwards at column 7"),
        ("gru_textbook", {"pooling": "all"}, PACKED, "mean and maximum over columns 1 to 6, and h at column 6"),
    ],
)
def test_every_kind_of_network(models: Path, cell_type: str, shape: dict, way: str, read: str) -> None:
    tiny_classifier(models / "other", cell_type, **shape)
    app = _view(sentiment_model="other", padding_way=way, padding_direction="backwards")
    assert not app.exception
    assert not app.error
    rows = _rows(app)
    assert rows[way][1] == read
    assert ("our own code" in rows[PACKED][0]) == (cell_type == "gru_textbook")
    assert len(app.get("vega_lite_chart")) == 3


def test_the_xray_in_a_browser(page: Page, app_url: str) -> None:
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{app_url}/sentiment")
    page.get_by_role("radio", name="Padding", exact=True).click(timeout=SLOW)
    numbers = {way: page.locator(f'tr[data-way="{way}"] .rv-number') for way in WAYS}
    expect(numbers[LEFT].first).to_be_visible(timeout=SLOW)
    before = {way: number.first.inner_text() for way, number in numbers.items()}
    apart = {way: number.last.inner_text() for way, number in numbers.items()}
    assert [way for way in WAYS if apart[way] == "0"] == [ALONE, PACKED, MASKED_RIGHT, MASKED_LEFT]
    steps = page.get_by_label("Steps of padding")
    steps.fill("3")
    steps.press("Enter")
    expect(numbers[LEFT].first).not_to_have_text(before[LEFT], timeout=SLOW)
    expect(numbers[RIGHT].first).not_to_have_text(before[RIGHT], timeout=SLOW)
    for way in (ALONE, PACKED, MASKED_RIGHT, MASKED_LEFT):
        expect(numbers[way].first).to_have_text(before[way])
    expect(page.locator("[data-testid=stVegaLiteChart] svg, [data-testid=stVegaLiteChart] canvas")).to_have_count(3)
    assert not wrong
