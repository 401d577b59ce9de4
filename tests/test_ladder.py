"""The ladder: gathered from cards, judged against yardsticks, drawn, shown, printed."""

import json
import math
import re
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from rnnviz import checkpoints
from rnnviz.charts.calibration import Bin, Dot, accuracy_chart, calibration_chart
from rnnviz.cli import app
from rnnviz.config import ModelConfig
from rnnviz.training import yardsticks
from rnnviz.training.ladder import (
    KINDS,
    ORDER,
    OTHER,
    PUBLISHED,
    PUBLISHED_ROWS,
    RECURRENT,
    Row,
    best_of,
    ladder,
    lead,
    markdown,
    ranked,
    table,
    verdicts,
)
from rnnviz.training.scores import calibration_error, reliability, score_logits
from tests.conftest import tiny_classifier

SOURCE = "IMDB Large Movie Review Dataset v1.0 (Maas et al. 2011)"
BINS = [[0, 0.0, 0.0]] * 9 + [[100, 0.63, 0.6], [0, 0.0, 0.0], [0, 0.0, 0.0], [0, 0.0, 0.0], [300, 0.9, 0.92]]
BINS += [[24_600, 0.99, 0.98]]


def _card(test: float | None = None, seeds: tuple[float, ...] = (), **more: Any) -> dict:
    score = {} if test is None else {"test": {"accuracy": test, "texts": 25_000, "calibration_error": 0.0105}}
    score |= {"validation": {"accuracy": 0.8, "texts": 2_528}}
    score |= {"seeds": [{"seed": i, "test": {"accuracy": share}} for i, share in enumerate(seeds)]} if seeds else {}
    return {
        "command": "python -m rnnviz train it --data imdb",
        "data": {"source": SOURCE},
        "model": {"parameters": 1234},
        "training": {"seconds": 600.0, "epochs": 2.0},
        "machine": {"device": "cpu", "processor": "A processor", "threads": 1},
        **score,
        **more,
    }


def _save(folder: Path, name: str, card: dict, **shape: object) -> None:
    """Write what the ladder reads of a model folder; no weights."""
    shape = {"cell_type": "lstm", "vocab_size": 12, "num_outputs": 2, "embedding_size": 4, "hidden_size": 8, **shape}
    config = ModelConfig("classifier", padding_index=0, labels=("negative", "positive"), **shape)
    (folder / name).mkdir()
    for file, value in ((checkpoints.CONFIG, config.to_dict()), (checkpoints.CARD, card)):
        (folder / name / file).write_text(json.dumps(value))
    (folder / name / checkpoints.WEIGHTS).write_bytes(b"")


def _yardstick(name: str, test: float, validation: float = 0.8) -> dict:
    scores = {"accuracy": test, "texts": 25_000, "calibration_error": 0.01, "calibration": BINS}
    told = {"name": name, "what": "which words occur", "parameters": 9, "seconds": 3.0}
    return {**told, "validation": {"accuracy": validation}, "test": scores}


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the shipped models, with yardsticks."""
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    found = [_yardstick("majority class", 0.5, 0.45), _yardstick(f"{yardsticks.BAG}, 10", 0.88, 0.89)]
    found += [_yardstick(f"{yardsticks.BAG}, 20", 0.89, 0.88), _yardstick(f"{yardsticks.PAIRS}, 30", 0.9, 0.91)]
    machine = {"processor": "A processor", "threads": 2}
    (tmp_path / yardsticks.FILE).write_text(json.dumps({"command": "c", "machine": machine, "yardsticks": found}))
    return tmp_path


def _row(name: str, test: float, **more: Any) -> Row:
    return Row(name, RECURRENT, "", "", test, 0.8, 25_000, **more)


def test_rows_come_in_the_notes_order_with_what_the_cards_say(shipped: Path) -> None:
    _save(shipped, "zebra", _card(0.7))
    for name in reversed(ORDER[:3]):
        _save(shipped, name, _card(0.6, seeds=(0.60, 0.64, 0.56)))
    _save(shipped, "imdb-gru", _card(0.88), cell_type="gru", bidirectional=True, num_layers=2, pooling="max")
    _save(shipped, "window", _card(0.51), cell_type="feedforward", window=500)
    _save(shipped, "other", _card(0.99, data={"source": "IMDB-like.csv"}))
    (shipped / "broken").mkdir()
    (shipped / "broken" / checkpoints.WEIGHTS).write_bytes(b"")
    (shipped / "broken" / checkpoints.CARD).write_text("{")
    rows, troubles = ladder()
    models = [row for row in rows if "card" in row.source]
    assert [row.name for row in models] == [*ORDER[:3], "imdb-gru", "window", "zebra"]
    assert len(troubles) == 1
    assert "broken" in troubles[0]
    assert rows[-len(PUBLISHED_ROWS) :] == list(PUBLISHED_ROWS)
    first, gru, window = models[0], models[3], models[4]
    assert (first.kind, window.kind) == (RECURRENT, OTHER)
    assert (first.parameters, first.seconds, first.epochs, first.machine) == (1234, 600.0, 2.0, "A processor, 1 thread")
    assert first.accuracy == pytest.approx(0.6)
    assert first.ends == (0.56, 0.64)
    assert f"60.00 \u00b1 {100 * stdev([0.60, 0.64, 0.56]):.2f} (56.00 to 64.00), 3 seeds" == first.spread
    assert (gru.accuracy, gru.ends, gru.spread) == (0.88, None, "")
    assert gru.what == "GRU, 2 x 8 units, both ways, reads each unit's largest value, 12 words"
    assert "first 500 words" in window.what
    assert gru.score_command == "python -m rnnviz evaluate imdb-gru --split test --update-card"


@pytest.mark.parametrize("value", ["much", None, [], {"a": 1}, [[1]], math.nan, -3, 7, True], ids=repr)
def test_odd_cards_leave_cells_empty(value: object, shipped: Path) -> None:
    whole = _card(0.8)
    for keys in (("test",), ("test", "accuracy"), ("test", "texts"), ("test", "calibration"), ("seeds",), ("model",)):
        card = json.loads(json.dumps(whole))
        inner = card if len(keys) == 1 else card[keys[0]]
        inner[keys[-1]] = value
        _save(shipped, f"odd-{'-'.join(keys)}", card)
    _save(shipped, "odd-training", {**whole, "training": value, "machine": value, "command": value})
    rows, troubles = ladder()
    assert not troubles
    odd = {row.name: row for row in rows if row.name.startswith("odd")}
    assert len(odd) == 7
    assert odd["odd-test-accuracy"].test is None
    assert all(row.bins == () and row.seeds == () for row in odd.values())
    for one in (table(ranked(rows)).to_csv(), markdown(rows)):
        assert "odd-training" in one


def test_a_lead_and_its_interval_by_hand() -> None:
    ahead, half = lead(_row("a", 0.9), _row("b", 0.88))
    assert ahead == pytest.approx(0.02)
    assert half == pytest.approx(1.96 * math.sqrt((0.09 + 0.88 * 0.12) / 25_000), rel=1e-4)


def test_verdicts_follow_the_numbers(shipped: Path) -> None:
    _save(shipped, "below", _card(0.87))
    _save(shipped, "tied", _card(0.884))  # 0.4 points ahead of the bag that did best on validation; 0.57 are needed
    _save(shipped, "lucky", _card(0.95, seeds=(0.95, 0.80, 0.80)))
    _save(shipped, "middle", _card(0.894))
    _save(shipped, "best", _card(0.92))
    _save(shipped, "unscored", _card())
    rows, _ = ladder()
    assert best_of(rows, yardsticks.BAG).name.endswith("10")
    bag, more, pairs, best, last = verdicts(rows)
    assert bag.startswith("No better than a bag of words")
    assert "(88.00 %): lucky (85.00 %), tied (88.40 %), below (87.00 %)." in bag
    assert "Better than a bag" in more
    assert pairs.endswith("neighbours (90.00 %): middle (89.40 %).")
    assert best.endswith("best (92.00 %).")
    assert "0.6 points" in last
    assert not any("unscored" in told for told in (bag, more, pairs, best))
    assert ranked(rows)[-1].name == "unscored"
    good = [row for row in rows if row.name not in ("below", "tied", "lucky", "middle")]
    assert not any("No better" in told for told in verdicts(good))
    assert verdicts([row for row in rows if row.kind == PUBLISHED]) == []


def test_bins_and_error_are_one_computation() -> None:
    chances = np.array([0.55, 0.55, 0.95, 0.95, 0.95, 1.0])
    logits = torch.from_numpy(np.log(np.maximum(np.stack([chances, 1 - chances], axis=1), 1e-30)))
    labels = np.array([0, 1, 0, 0, 1, 0])
    bins = reliability(logits, labels)
    assert [n for n, _, _ in bins] == [0] * 8 + [2] + [0] * 5 + [4]
    assert bins[8] == pytest.approx((2, 0.55, 0.5))
    assert bins[14] == pytest.approx((4, (3 * 0.95 + 1) / 4, 0.75))
    by_hand = (2 * 0.05 + 4 * (0.9625 - 0.75)) / 6
    score = score_logits(logits, labels)
    assert score.calibration == bins
    assert score.calibration_error == calibration_error(logits, labels) == pytest.approx(by_hand)


def test_evaluate_writes_bins_and_prints_the_error(tmp_path: Path) -> None:
    rows = "".join(f"the film {i} was {('bad', 'good')[i % 2]},{i % 2}\n" for i in range(60))
    (tmp_path / "t.csv").write_text("text,label\n" + rows)
    tiny_classifier(tmp_path / "m")
    checkpoints.update_card(tmp_path / "m", command=f"python -m rnnviz train m --data {tmp_path / 't.csv'}")
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "m"), "--update-card"])
    assert "calibration error: 0." in done.output
    assert "calibration:" not in done.output
    score = checkpoints.read_card(tmp_path / "m")["validation"]
    assert sum(n for n, _, _ in score["calibration"]) == score["texts"]
    gaps = [n * abs(chance - right) for n, chance, right in score["calibration"]]
    assert score["calibration_error"] == pytest.approx(sum(gaps) / score["texts"])


def test_markdown_is_the_readmes(shipped: Path) -> None:
    _save(shipped, "imdb-lstm", _card(0.87344, seeds=(0.87, 0.88)))
    _save(shipped, "a|b", _card(0.6))
    lines = markdown(ladder()[0]).splitlines()
    body = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    assert {len(cells) for cells in body} == {8}
    (own,) = [cells for cells in body if "`imdb-lstm`" in cells[0]]
    assert [cell.strip() for cell in own[2:4]] == ["87.34 %", "87.50 \u00b1 0.71 (87.00 to 88.00), 2 seeds"]
    assert sum("published, not measured here" in cells[1] for cells in body) == len(PUBLISHED_ROWS)
    assert "No better than" in lines[-1]
    done = CliRunner().invoke(app, ["ladder", "--markdown"])
    assert done.output.strip() == "\n".join(lines)
    done = CliRunner().invoke(app, ["ladder"])
    assert "No better than a bag of words" in done.output
    assert "87.34 %" in done.output


def test_every_published_figure_says_where_it_comes_from() -> None:
    for row in PUBLISHED_ROWS:
        assert row.kind == PUBLISHED
        assert 0.5 < row.test < 0.95
        assert re.search(r"\d{4}; seen in \S|lecture notes.*; seen in \S", row.source)


def test_the_accuracy_chart_holds_every_dot() -> None:
    dots = [Dot("a", KINDS[0], 0.9, 0.88, 0.92, ((0, 0.88), (1, 0.92))), Dot("b", KINDS[1], 0.5, 0.5, 0.5, line=True)]
    chart = accuracy_chart(dots, KINDS).to_dict()
    frames = list(chart["datasets"].values())
    assert sorted(map(len, frames)) == [1, 2, 2]
    domain = chart["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert domain[0] < 0.5
    assert 0.92 < domain[1] <= 1
    encoding = chart["layer"][2]["encoding"]
    assert encoding["y"]["sort"] == ["a", "b"]
    assert len(set(encoding["shape"]["scale"]["range"])) == len(KINDS)
    assert encoding["color"]["scale"]["domain"] == list(KINDS)
    assert any("dashed: b (50.0%)" in line for line in chart["title"]["subtitle"])
    assert accuracy_chart(dots[:1], KINDS).to_dict()


def test_the_calibration_chart_reaches_every_bin() -> None:
    curves = {"a": [Bin(0.55, 0.31, 0.2, 0.4, 30), Bin(0.9, 0.95, 0.94, 0.96, 900)], "b": [Bin(0.7, 0.7, 0.6, 0.8, 5)]}
    chart = calibration_chart(curves, "").to_dict()
    assert sorted(map(len, chart["datasets"].values())) == [2, 3]
    points = chart["layer"][3]["encoding"]
    assert points["x"]["scale"]["domain"] == points["y"]["scale"]["domain"] == [0.3, 1]
    assert points["color"]["scale"]["domain"] == ["a", "b"]
    assert {one["field"] for one in points["tooltip"]} >= {"count", "chance", "right", "low", "high"}


CODE = "from rnnviz import session\nfrom rnnviz.pages.sentiment import models\nsession.guarded(models.render)()\n"


def _page(**state: object) -> AppTest:
    page = AppTest.from_string(CODE, default_timeout=60)
    for key, value in state.items():
        page.session_state[key] = value
    return page.run()


def test_the_view_is_filled_in(shipped: Path) -> None:
    _save(shipped, "imdb-lstm", _card(0.87, seeds=(0.86, 0.87, 0.88)))
    _save(shipped, "imdb-rnn", _card(0.6))
    page = _page(keep_sentiment_model="imdb-rnn")
    assert not page.exception
    assert not page.error
    assert not page.warning
    assert len(page.get("vega_lite_chart")) == 2
    told = " ".join(markdown.value for markdown in page.markdown)
    assert r"No better than a bag of words with logistic regression (88.00 %): imdb\-lstm (87.00 %)" in told
    assert list(page.dataframe[0].value["model"])[-4:] == ["imdb-rnn", "notes: SimpleRNN(100)", *[
        "notes: feed-forward", "majority class"]]  # fmt: skip
    assert any("Look" in caption.value for caption in page.caption)
    assert "evaluate imdb-lstm --split test --update-card" in page.info[0].value
    assert page.selectbox[0].value == "imdb-rnn", "the model of the other views"
    page.selectbox[0].select("imdb-lstm").run()
    assert [one.value for one in page.code] == [
        "python -m rnnviz train it --data imdb",
        "python -m rnnviz evaluate imdb-lstm --split test --update-card",
    ]
    assert any("Took 10 minutes on A processor, 1 thread." in one.value for one in page.markdown)
    assert list(page.dataframe[1].value["test"]) == ["86.00 %", "87.00 %", "88.00 %"]
    page.toggle[0].set_value(True).run()
    assert any("Left out below 80%: 4" in caption.value for caption in page.caption)
    assert not page.exception


def test_the_view_draws_calibration_where_the_card_holds_it(shipped: Path) -> None:
    card = _card(0.98)
    card["test"]["calibration"] = BINS
    _save(shipped, "<b>mine*", card)
    page = _page()
    assert not page.info
    assert page.multiselect[0].value == ["<b>mine*", f"{yardsticks.BAG}, 10"]
    (caption,) = [caption.value for caption in page.caption if "calibration error" in caption.value]
    assert r"\<b\>mine\* 0.011, bag of words, 10 0.010" in caption
    page.multiselect[0].set_value([]).run()
    assert not page.exception
    assert len(page.get("vega_lite_chart")) == 1


def test_the_view_without_models_or_yardsticks(shipped: Path) -> None:
    assert not _page().exception
    (shipped / yardsticks.FILE).write_text("{")
    page = _page()
    assert not page.exception
    assert "cannot be read" in page.warning[0].value
    (shipped / yardsticks.FILE).unlink()
    page = _page()
    assert not page.exception
    assert not page.warning
    assert len(page.dataframe[0].value) == len(PUBLISHED_ROWS)
    assert [info.value for info in page.info] == [
        "No model here was scored on the test set.",
        "No model here says how it was made.",
    ]


def test_models_in_a_browser(page: Page, app_url: str) -> None:
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{app_url}/sentiment")
    page.get_by_role("radio", name="Models", exact=True).click(timeout=60_000)
    expect(page.get_by_text("No better than a bag of words").first).to_be_visible(timeout=60_000)
    charts = page.locator("[data-testid=stVegaLiteChart] svg, [data-testid=stVegaLiteChart] canvas")
    expect(charts).to_have_count(2, timeout=60_000)
    with page.expect_download() as found:
        page.get_by_role("button", name="Download the table").click()
    lines = Path(found.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("model,test,kind")
    assert any(line.startswith("imdb-lstm,0.") for line in lines)
    page.get_by_text("Only from 80% on").click()
    expect(page.get_by_text("Left out below 80%")).to_be_visible(timeout=60_000)
    assert not wrong
