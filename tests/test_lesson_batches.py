"""Ragged batches: every way of reading agrees where it should, steps are counted right, and the page does it live."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from rnnviz import checkpoints
from rnnviz.analysis.padded import ALONE, LEFT, MASKED_LEFT, MASKED_RIGHT, PACKED, RIGHT, read_padded
from rnnviz.charts.ragged import batch_html, off_chart, row_names, share_chart
from rnnviz.checkpoints import Model
from rnnviz.errors import TextError
from rnnviz.lesson.ragged import (
    GATHERED,
    MOST_LINES,
    MOST_WORDS,
    POST,
    PRE,
    alive,
    gradient_shares,
    matrix,
    read_batch,
    read_lines,
)
from rnnviz.lesson.ragged_buckets import (
    BUCKETS,
    FIXED,
    PLANS,
    SHUFFLED,
    SORTED,
    computed_steps,
    drawn_lengths,
    groups,
    plan,
    time_plans,
)
from rnnviz.lesson.ragged_small import program_lines, small_states
from rnnviz.lesson.ragged_windows import read_windows, window_starts
from tests.conftest import STRANGE_TEXTS, run_lines, tiny_classifier

CODE = "from rnnviz import session\nfrom rnnviz.pages.lesson import batches\nsession.keep_state()\nbatches.render()\n"
LINES = "good film\nbad plot and very bad acting\nnot the film"
SLOW = 60_000


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    monkeypatch.delenv("RNNVIZ_DATA", raising=False)
    tiny_classifier(tmp_path / "tiny-words")
    tiny_classifier(tmp_path / "both-ways", bidirectional=True)


def _page(**state: object) -> AppTest:
    app = AppTest.from_string(CODE, default_timeout=60)
    for key, value in {"lines": LINES, **state}.items():
        app.session_state[f"keep_batches_{key}"] = value
    return app.run()


def _said(app: AppTest) -> str:
    return " ".join(element.value for element in (*app.markdown, *app.caption, *app.info, *app.success))


def _rows(app: AppTest, column: str) -> list:
    """Return what stands in a column, of all tables that have it."""
    return [value for table in app.dataframe if column in table.value for value in table.value[column]]


def test_lines_become_rows(classifier: Model) -> None:
    batch = read_lines(classifier.tokenizer, "good film\n\n  \n!!!\nnot zzz a film\n")
    assert batch.words == (("good", "film"), ("not", "zzz", "a", "film"))
    assert batch.unknown[1] == (False, True, False, False)
    assert (batch.time, batch.computed, batch.lengths.tolist()) == (4, 8, [2, 4])
    long = read_lines(classifier.tokenizer, "\n".join(["good " * (MOST_WORDS + 5)] * (MOST_LINES + 3)))
    assert (len(long.rows), long.left_out, long.cut, long.time) == (MOST_LINES, 3, MOST_LINES, MOST_WORDS)
    wordless = read_lines(classifier.tokenizer, "good film\n!!!\n" + "good " * (MOST_WORDS + 1))
    assert (len(wordless.rows), wordless.left_out, wordless.cut) == (2, 0, 1)
    with pytest.raises(TextError):
        read_lines(classifier.tokenizer, "\n ?! \n")


def test_a_matrix_is_filled_at_either_end() -> None:
    rows = [np.array([5, 6]), np.array([7, 8, 9])]
    ids, real = matrix(rows, POST)
    assert ids.tolist() == [[5, 6, 0], [7, 8, 9]] and real.tolist() == [[True, True, False], [True] * 3]
    ids, real = matrix(rows, PRE)
    assert ids.tolist() == [[0, 5, 6], [7, 8, 9]] and real.tolist() == [[False, True, True], [True] * 3]
    assert alive(np.array([2, 3])) == [2, 2, 1]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh", "residual"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_batch_agrees_with_the_x_ray_of_each_text(cell: str, layers: int, tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / cell, cell, num_layers=layers)
    batch = read_lines(model.tokenizer, LINES)
    found = read_batch(model.network, batch.rows)
    assert (PACKED in found.states) == (cell != "residual")
    for i, row in enumerate(batch.rows):
        xray = read_padded(model.network, row, batch.time - len(row))
        for way in set(xray) & set(found.states) - {ALONE}:
            at = len(row) - 1 if way == PACKED else batch.time - 1
            np.testing.assert_allclose(found.states[way][i], xray[way].hidden[at], atol=1e-6)
            np.testing.assert_allclose(found.probabilities[way][i], xray[way].probabilities, atol=1e-6)
        np.testing.assert_allclose(found.probabilities[GATHERED][i], xray[ALONE].probabilities, atol=1e-6)
    for way in (GATHERED, MASKED_LEFT, MASKED_RIGHT):
        assert found.distances(way).max() < 1e-5
    for way in (RIGHT, LEFT):
        moved = found.distances(way) > 1e-4
        assert moved.tolist() == (batch.lengths < batch.time).tolist()


def test_gradient_shares_agree_with_finite_differences(classifier: Model) -> None:
    classifier.network.double()
    rows = read_lines(classifier.tokenizer, LINES).rows
    found = gradient_shares(classifier, rows, 1)
    assert found.padding.tolist() == [4, 0, 3] and found.end[1] == found.start[1] == pytest.approx(1.0)
    network, sizes = classifier.network, []
    for ids, time in ((rows[0], 2), (np.concatenate([rows[0], np.zeros(4, dtype=np.int64)]), 6)):
        x, slopes = network.embed(torch.from_numpy(ids[None])), []
        for t in range(2):
            for j in range(x.shape[2]):
                step = torch.zeros_like(x)
                step[0, t, j] = 1e-5
                up, down = (network.whole_from(x + s, torch.tensor([time]))[0] for s in (step, -step))
                slopes.append(float((up[1] - up[0]) - (down[1] - down[0])) / 2e-5)
        sizes.append(np.linalg.norm(slopes))
    assert found.end[0] == pytest.approx(sizes[1] / sizes[0], rel=1e-4)
    fresh = gradient_shares(classifier, rows, 1, seed=1)
    assert fresh.end[0] < 0.9 and not np.allclose(fresh.end, found.end)


def test_plans_hold_every_text_once_and_count_their_steps() -> None:
    lengths = np.array([2, 9, 3, 8, 4, 7, 5])
    for way in PLANS:
        batches = plan(lengths, way, 2, pool=2)
        assert sorted(np.concatenate(batches).tolist()) == list(range(7))
        assert sorted(map(len, batches)) == [1, 2, 2, 2]
    assert computed_steps(lengths, plan(lengths, FIXED, 2), FIXED) == 63
    assert computed_steps(lengths, plan(lengths, SORTED, 2), SORTED) == 2 * (3 + 5 + 8) + 9
    drawn = drawn_lengths()
    steps = {way: computed_steps(drawn, plan(drawn, way, 32), way) for way in PLANS}
    assert drawn.sum() < steps[SORTED] < steps[BUCKETS] < steps[SHUFFLED] < steps[FIXED]
    assert groups(np.array([1, 2, 3, 9]), 2) == [(1, 2, 2, 0.25), (3, 9, 2, pytest.approx(1 / 3))]


def test_timing_reads_every_way(classifier: Model) -> None:
    told: list[float] = []
    found = time_plans(classifier.network, np.array([3, 5, 2, 4]), (SHUFFLED, BUCKETS), 2, told.append, rounds=2)
    assert set(found) == {SHUFFLED, BUCKETS} and min(found.values()) > 0 and told[-1] == 1.0 and len(told) == 4


@pytest.mark.parametrize(
    ("time", "window", "stride", "count"), [(10, 4, 4, 3), (10, 4, 2, 4), (3, 4, 4, 1), (8, 4, 4, 2), (11, 5, 2, 4)]
)
def test_windows_cover_the_text(time: int, window: int, stride: int, count: int) -> None:
    starts = window_starts(time, window, stride)
    assert len(starts) == count and starts[-1] + window >= time
    assert count == 1 or starts[-2] + window < time
    if 2 * stride <= window < time:  # what the page says of words and what stands before them
        assert all(any(stride <= t - s < window for s in starts) for t in range(stride, time))


def test_windows_lose_nothing_where_the_state_is_carried_over(classifier: Model) -> None:
    ids = read_lines(classifier.tokenizer, "good bad film not a the was very plot acting bad bad").rows[0]
    found = read_windows(classifier.network, ids, 5, 5, 1)
    np.testing.assert_allclose(found.carried, found.whole, atol=1e-6)
    assert found.state_gap < 1e-6 and found.first == found.whole[4]
    np.testing.assert_allclose(found.fresh[0], found.whole[:5], atol=1e-6)
    assert abs(found.fresh[1][0] - found.whole[5]) > 1e-4
    close = read_windows(classifier.network, ids, 5, 1, 1)
    assert len(close.fresh) == 8 and max(map(len, close.fresh)) == 5, "read in one batch"
    np.testing.assert_allclose(close.fresh[5], found.fresh[1], atol=1e-6)
    again = read_windows(classifier.network, ids[-5:], 5, 5, 1)
    assert found.last == pytest.approx(float(again.whole[-1]), abs=1e-6)


def test_both_programs_print_the_small_networks_states() -> None:
    small = small_states([("a", "b", "a"), ("c",), ("b", "c", "d", "a")])
    assert small.gap < 1e-12 and small.vocabulary == 4
    for script in program_lines(small):
        printed = [[float(number) for number in line.split()] for line in run_lines(script).splitlines()]
        np.testing.assert_allclose(printed, small.masked, atol=1e-5)


def test_pictures_escape_and_name_their_rows() -> None:
    ids, real = matrix([np.array([3, 1]), np.array([2])], POST)
    html = batch_html([("<b>", "x" * 300), ("a",)], [(False, True), (False,)], ids, real, np.array([1, 0]))
    assert "<b></b>" not in html and "&lt;b&gt;" in html
    assert html.count("rv-pad") == 1 + 1 and html.count("rv-read") == 2 + 1 and 'tabindex="0"' in html
    names = row_names([("same",), ("same",)])
    assert len(set(names)) == 2
    bars, told = off_chart(names, {"way": np.array([0.0, 1.0])}, "title", "axis").to_dict()["layer"]
    assert bars["encoding"]["x"]["title"] == "axis" and told["encoding"]["text"]["field"] == "text"
    layer = share_chart(np.array([0, 3]), names, {"one": np.array([1.0, 0.0])}).to_dict()["layer"][0]
    assert layer["encoding"]["y"]["scale"]["domain"][0] <= 1e-12


def test_the_page_answers_the_readers_lines(models: None) -> None:
    app = _page()
    assert not app.exception and not app.error
    assert app.selectbox(key="keep_batches_model").options == ["tiny-words"]
    assert "(3, 6, 8)" in _said(app)
    app.button(key="show_batches-computed").click()
    app.button(key="show_batches-farthest").click().run()
    assert "The answer: 18 steps" in _said(app) and not app.exception
    assert "farther from where the text left it" in _said(app) and "nothing to do with the text" not in _said(app)
    app.text_area(key="keep_batches_lines").set_value("good film\nbad plot").run()
    assert "(2, 2, 8)" in _said(app) and "equally long" in _said(app)
    assert "never seen" not in _said(app) and "numbers. . " not in _said(app) and "pads most: " in _said(app)
    app.button(key="batches_measure").click().run()
    assert "median of three passes" in _said(app) and not app.exception


def test_no_question_where_two_rows_are_equally_far(models: None) -> None:
    app = _page(lines="zzz\nqqq\nzzz qqq", long="good film bad", window=1, stride=1)
    assert not app.exception and not app.error
    keys = [button.key for button in app.button]
    assert "show_batches-farthest" not in keys and "show_batches-computed" in keys
    assert "compare the two sides row by row" in _said(app), "what would have been the answer"
    assert "Your text has 3 words. Windows of 1 begin 1 word apart" in _said(app)
    app.button(key="show_batches-windows").click().run()
    assert "last one padded" not in _said(app) and "(3, 1, 8): the time axis" in _said(app)
    app = _page(lines="zzz", long="good", source="lines")
    assert "Look at the grey part" in _said(app) and "recipe, every text padded to 500" not in _said(app)
    app.selectbox(key="keep_batches_source").set_value("drawn").run()
    app.button(key="show_batches-order").click().run()
    assert "recipe, every text padded to 500 words" in _said(app)
    assert "Your row has 1 word." in _said(app) and "Your text has 1 word." in _said(app)


def test_many_windows_are_read_but_few_drawn(models: None) -> None:
    app = _page(long="good bad film not " * 100, window=30, stride=1)
    assert "windows begun anew: mean of all" not in _rows(app, "read"), "that would answer the question above it"
    assert "are drawn; the table counts" not in _said(app)
    app.button(key="show_batches-truncating").click().run()
    assert "windows begun anew: mean of all" in _rows(app, "read")
    assert not app.exception and "Of the 371 windows 20 are drawn" in _said(app)


def test_strange_lines(models: None) -> None:
    strange = [text.replace("\n", " ") for text in (*STRANGE_TEXTS.values(), "zzz", "word " * 3000)]
    app = _page(lines="\n".join(strange), long=" ".join(strange))
    assert not app.exception and not app.error
    assert "of yours are cut there" in _said(app) and "words are read here" in _said(app)
    assert "<script>document" not in "".join(element.proto.body for element in app.get("html"))


def test_empty_lines_and_kept_values_that_do_not_fit(models: None) -> None:
    app = _page(lines=" \n")
    assert [error.value[:22] for error in app.error] == ["There is no word in th"]
    strange = {
        "lines": 7,
        "model": ["x"],
        "side": {},
        "window": "9",
        "stride": 500,
        "size": None,
        "cut": [],
        "groups": -1,
    }
    app = _page(**strange, source="none", long=[1])
    assert not app.exception and not app.error
    assert app.session_state["keep_batches_stride"] == app.session_state["keep_batches_window"] == 20


def test_the_batch_in_a_browser(page: Page, app_url: str) -> None:
    page.goto(f"{app_url}/batches")
    box = page.get_by_label("Your texts, one a line")
    expect(box).to_be_visible(timeout=SLOW)
    box.fill("A wonderful film\nWhat a terrible waste of two hours of my time")
    box.press("Control+Enter")
    expect(page.locator(".rv-batch td.rv-pad")).to_have_count(7, timeout=SLOW)
    expect(page.get_by_text("(2, 10, 100)", exact=True).first).to_be_visible(timeout=SLOW)
    read = page.locator(".rv-batch tr").nth(1).locator("td.rv-read")
    expect(read).to_have_text(re.compile("film"))
    page.get_by_role("radio", name="at the start (pre)").click()
    expect(page.locator(".rv-batch tr").nth(1).locator("td").last).to_have_class("rv-read", timeout=SLOW)
    number = page.get_by_label("Your number, in steps").first
    number.fill("20")
    number.press("Enter")
    page.get_by_role("button", name="Check", exact=True).first.click()
    expect(page.get_by_text("Right: 20 steps", exact=False)).to_be_visible(timeout=SLOW)
    box.fill("dull\n" + "good " * MOST_WORDS)
    box.press("Control+Enter")
    expect(page.locator(".rv-batch td.rv-pad")).to_have_count(MOST_WORDS - 1, timeout=SLOW)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 794, "height": 1123})
    ends = page.locator(".rv-batch td").evaluate_all("cells => cells.map((cell) => cell.getBoundingClientRect().right)")
    assert 600 < max(ends) <= 794, "printed, a row goes on in the next line"
