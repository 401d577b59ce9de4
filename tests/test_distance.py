"""The first symbol decides: the task, what training it tells, who may train when, the chart and the view."""

import json
import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from threading import enumerate as threads
from time import sleep

import pytest
import torch
from streamlit.testing.v1 import AppTest

from rnnviz.charts.distance import Point, distance_chart
from rnnviz.config import CELL_LABELS
from rnnviz.errors import ConfigError
from rnnviz.network import seeded_network
from rnnviz.pages.gradients import learning
from rnnviz.training import distance
from rnnviz.training.distance import (
    CHANCE,
    NOISE,
    PERFECT,
    SIGNALS,
    TESTED,
    DistanceConfig,
    Learned,
    Progress,
    Run,
    draw,
    seconds_an_update,
    source,
    train_distances,
    wilson,
)

QUICK = DistanceConfig(("rnn_tanh", "lstm"), (2, 1), updates=2, hidden_size=4, batch_size=4)
ENDLESS = DistanceConfig(("rnn_sigmoid",), (50,), updates=20_000, hidden_size=4, batch_size=4)
KEYS = "keep_gradient_learning_"


def _results(config: DistanceConfig) -> list[Learned]:
    return [progress.result for progress in train_distances(config) if progress.result]


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    yield
    assert distance._ONE.acquire(blocking=False), "a training still holds the turn"
    distance._ONE.release()
    assert not [thread for thread in threads() if thread.name == "first symbol decides"]


def test_the_first_symbol_is_the_answer_and_the_rest_is_noise() -> None:
    ids, first = draw(source(0, 7), 400, 7)
    assert ids.shape == (400, 8)
    assert torch.equal(ids[:, 0], first)
    assert set(first.tolist()) == set(range(SIGNALS))
    assert set(ids[:, 1:].flatten().tolist()) == set(range(SIGNALS, SIGNALS + NOISE))


def test_test_sequences_are_not_those_of_training_nor_of_another_round() -> None:
    def rows(seed: int, far: int, fresh: bool) -> set[tuple[int, ...]]:
        return {tuple(row) for row in draw(source(seed, far, fresh=fresh), 300, 20)[0].tolist()}

    kinds = [(seed, far, fresh) for seed in (0, 1) for far in (1, 20, 200) for fresh in (False, True)]
    assert len(set.union(*(rows(*kind) for kind in kinds))) == 300 * len(kinds)
    assert rows(1, 20, True) == rows(1, 20, True)


def test_the_same_seed_gives_the_same_results_and_torchs_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = _results(QUICK)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert _results(QUICK) == first
    assert [one.loss_nats for one in _results(replace(QUICK, seeds=(1,)))] != [one.loss_nats for one in first]


def test_short_distances_come_first_and_each_update_is_told() -> None:
    told = list(train_distances(replace(QUICK, seeds=(3, 4))))
    ends = [progress.result for progress in told if progress.result]
    one_round = [(1, "rnn_tanh"), (1, "lstm"), (2, "rnn_tanh"), (2, "lstm")]
    assert [(r.seed, r.distance, r.cell) for r in ends] == [(s, *each) for s in (3, 4) for each in one_round]
    assert [p.update for p in told[:4]] == [1, 2, 2, 1]
    assert all(r.updates == 2 and not r.perfect and not r.overflowed for r in ends)
    shares = [p.share for p in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert (told[-1].done, told[-1].total) == (8, 8)


def test_an_lstm_learns_a_short_distance_and_ends_early() -> None:
    (one,) = _results(DistanceConfig(("lstm",), (3,), updates=200, hidden_size=16, learning_rate=1e-2))
    assert one.right == one.tested == TESTED
    assert one.perfect
    assert PERFECT < one.updates < 100
    assert one.loss_nats < 0.2


def test_a_tanh_network_forgets_what_an_lstm_keeps() -> None:
    config = DistanceConfig(("rnn_tanh", "lstm"), (12,), updates=100)
    rnn, lstm = _results(config)
    assert lstm.accuracy > 0.95
    assert rnn.accuracy < 0.5
    assert rnn.updates == 100


def test_untrained_networks_guess() -> None:
    right = 0
    for cell in CELL_LABELS:
        network = seeded_network(DistanceConfig().model(cell), 0)
        found, loss = distance.score(network, 60, 0)
        if cell != "residual":  # whose state grows with every step
            assert loss == pytest.approx(math.log(SIGNALS), abs=0.2)
        right += found
    low, high = wilson(right, TESTED * len(CELL_LABELS))
    assert low - 0.02 < CHANCE < high + 0.02


def test_an_overflow_ends_the_training_and_is_told() -> None:
    config = DistanceConfig(("rnn_relu", "lstm"), (60,), updates=20, hidden_size=8, batch_size=4, learning_rate=1e3)
    relu, lstm = _results(config)
    assert relu.overflowed
    assert 0 < relu.updates < 20
    assert not lstm.overflowed


def test_wilsons_interval() -> None:
    low, high = wilson(8, 10)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Brown, Cai and DasGupta 2001's formula, by hand
    assert wilson(0, 500)[0] == 0
    assert wilson(500, 500) == (pytest.approx(0.99238, abs=1e-4), 1.0)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"cells": ()}, "cells"),
        ({"cells": ("lstm", "transformer")}, "transformer"),
        ({"cells": ("lstm", "lstm")}, "repeat"),
        ({"distances": (0,)}, "distance"),
        ({"distances": (5, 201)}, "200"),
        ({"distances": [5]}, "distances"),
        ({"updates": 0}, "updates"),
        ({"updates": 2.5}, "updates"),
        ({"hidden_size": 10**6}, "hidden_size"),
        ({"batch_size": True}, "batch_size"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"seeds": (-1,)}, "seed"),
        ({"seeds": tuple(range(11))}, "10"),
    ],
)
def test_impossible_settings_are_one_sentence(wrong: dict, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        DistanceConfig(**wrong)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_one_training_at_a_time_and_leaving_lets_the_next_begin() -> None:
    first, second = train_distances(ENDLESS), train_distances(QUICK)
    with closing(second):
        assert next(first).update == 1
        waits = next(second)
        assert waits == Progress(0, 4, 0.0, waiting=True)
        first.close()
        assert not next(second).waiting


def test_an_error_in_the_middle_lets_the_next_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(distance, "score", broken)
    with pytest.raises(MemoryError):
        list(train_distances(QUICK))


def test_a_run_gives_what_the_generator_does() -> None:
    run = Run(QUICK)
    run.join()
    assert run.ended == "finished"
    assert list(run.results) == _results(QUICK)
    assert run.look().share == 1.0


def test_a_run_that_is_stopped_keeps_what_it_has() -> None:
    run = Run(replace(ENDLESS, distances=(1, 50), updates=3))
    run.join()
    assert len(run.results) == 2
    run = Run(ENDLESS)
    run.stop()
    assert run.ended == "stopped"
    assert run.results == ()
    run.stop()


def test_a_run_can_be_stopped_while_it_waits() -> None:
    with closing(train_distances(ENDLESS)) as other:
        next(other)
        run = Run(QUICK)
        run.stop()
        assert run.ended == "stopped"
        assert run.progress.waiting


def test_a_run_that_nobody_looks_at_ends() -> None:
    run = Run(ENDLESS, patience=0.0)
    run.join()
    assert run.ended == "left alone"


def test_timing_an_update_takes_nobodys_turn() -> None:
    with closing(train_distances(ENDLESS)) as other:
        next(other)
        assert seconds_an_update("lstm", 3, 4, 4) > 0


def _point(network: str, far: int, seed: int, accuracy: float) -> Point:
    return Point(network, far, seed, accuracy, accuracy - 0.1, min(1.0, accuracy + 0.1), 100)


def test_the_chart_has_a_line_a_cell_and_the_chance_level() -> None:
    points = [_point("LSTM", 5, 0, 1.0), _point("GRU", 5, 0, 0.5), _point("LSTM", 10, 0, 0.25)]
    chart = distance_chart(points, ["LSTM", "GRU"], (5, 10), 0.25, ["settings"]).to_dict()
    assert chart["title"]["subtitle"] == ["settings"]
    assert chart["title"]["text"]
    rule, text, bars, lines, marks = chart["layer"]
    assert chart["datasets"][rule["data"]["name"]][0]["accuracy"] == 0.25
    assert "25%" in chart["datasets"][text["data"]["name"]][0]["text"]
    assert lines["encoding"]["x"]["axis"]["values"] == [5, 10]
    assert lines["encoding"]["y"]["scale"]["domain"] == [0, 1]
    assert lines["encoding"]["color"]["scale"]["domain"] == ["LSTM", "GRU"]
    shapes = marks["encoding"]["shape"]["scale"]["range"]
    assert len(set(shapes)) == 2
    rows = chart["datasets"][bars["data"]["name"]]
    assert [(row["network"], row["distance"], row["low"], row["bar"]) for row in rows] == [
        ("LSTM", 5, 0.9, "95 %, over sequences"),
        ("GRU", 5, 0.4, "95 %, over sequences"),
        ("LSTM", 10, 0.15, "95 %, over sequences"),
    ]
    assert rows[0]["place"] < rows[1]["place"]


def test_several_seeds_are_drawn_as_their_mean_and_spread() -> None:
    points = [_point("LSTM", 5, 0, 1.0), _point("LSTM", 5, 1, 0.4), _point("LSTM", 10, 0, 0.25)]
    chart = distance_chart(points, ["LSTM"], (5, 10), 0.25, []).to_dict()
    both, one = chart["datasets"][chart["layer"][2]["data"]["name"]]
    assert (both["accuracy"], both["low"], both["high"]) == (pytest.approx(0.7), 0.4, 1.0)
    assert (both["bar"], both["seeds"]) == ("lowest to highest seed", "0, 1")
    assert (one["low"], one["seeds"]) == (pytest.approx(0.15), "0")
    small = chart["layer"][-1]
    assert len(chart["datasets"][small["data"]["name"]]) == 3


def test_an_empty_chart_has_its_axes() -> None:
    chart = distance_chart([], list(CELL_LABELS.values()), (5, 10), 0.25, []).to_dict()
    assert chart["layer"][3]["encoding"]["color"]["scale"]["domain"] == list(CELL_LABELS.values())


@pytest.fixture
def _few_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "_UPDATES", (2, 3, 200, 2000))


def _page(**state: object) -> AppTest:
    code = "from rnnviz import session\nfrom rnnviz.pages.gradients import learning\nsession.keep_state()\n"
    app = AppTest.from_string(code + "session.guarded(learning.render)()\n", default_timeout=60)
    quick = {"cells": ["rnn_tanh", "lstm"], "farthest": 5, "updates": 2, "units": 16}
    for key, value in {**quick, **state}.items():
        app.session_state[KEYS + key] = value
    app.run()
    assert not app.exception
    return app


def _button(app: AppTest, label: str):
    return next((button for button in app.button if button.label == label), None)


def _trained(app: AppTest) -> AppTest:
    """Press Train, wait until the run has ended, and look again."""
    _button(app, "Train").click().run()
    if f"{KEYS}run" in app.session_state:
        app.session_state[f"{KEYS}run"].join()
        app.run()
    assert not app.exception
    return app


def _rows(app: AppTest) -> list[dict]:
    return app.dataframe[0].value.to_dict("records") if app.dataframe else []


@pytest.mark.usefixtures("_few_updates")
def test_the_view_says_how_long_before_it_begins() -> None:
    app = _page()
    assert any("Takes about" in caption.value for caption in app.caption)
    assert not _button(app, "Train").disabled
    assert not _button(app, "Stop")
    assert not app.get("vega_lite_chart")


@pytest.mark.usefixtures("_few_updates")
def test_the_view_trains_and_keeps_its_results() -> None:
    app = _trained(_page())
    rows = _rows(app)
    assert [(row["distance (steps)"], row["cell"]) for row in rows] == [
        (far, cell) for far in (1, 2, 3, 4, 5) for cell in ("RNN (tanh)", "LSTM")
    ]
    assert not _button(app, "Stop")
    assert not _button(app, "Train").disabled
    spec = json.loads(app.get("vega_lite_chart")[0].proto.spec)
    assert "16 units, seed 0, 2 updates at most" in spec["title"]["subtitle"][0]
    assert any("Look for" in caption.value for caption in app.caption)
    app.select_slider(key=f"{KEYS}updates").set_value(3).run()
    assert _rows(app) == rows
    assert any("other settings" in caption.value for caption in app.caption)


@pytest.mark.usefixtures("_few_updates")
def test_the_view_can_be_stopped_and_says_what_it_shows() -> None:
    app = _page(cells=["rnn_sigmoid"], updates=2000, farthest=50)
    _button(app, "Train").click().run()
    assert _button(app, "Train").disabled
    assert app.get("progress")
    _button(app, "Stop").click().run()
    assert not app.exception
    assert any("Stopped" in info.value for info in app.info)
    assert not _button(app, "Stop")
    assert app.get("vega_lite_chart")
    assert not _button(app, "Train").disabled


@pytest.mark.usefixtures("_few_updates")
def test_the_view_says_that_it_waits_and_goes_on_after_a_visit_elsewhere() -> None:
    with closing(train_distances(ENDLESS)) as other:
        next(other)
        app = _page()
        _button(app, "Train").click().run()
        run = app.session_state[f"{KEYS}run"]
        while run.look() is None:
            sleep(0.01)
        app.run()
        assert "Waiting" in app.get("progress")[0].proto.text
    run.join()
    app.run()
    assert len(_rows(app)) == 10


@pytest.mark.usefixtures("_few_updates")
def test_no_cell_is_one_sentence() -> None:
    app = _page(cells=[])
    assert "at least one cell" in app.info[0].value
    assert _button(app, "Train").disabled


@pytest.mark.usefixtures("_few_updates")
@pytest.mark.parametrize(("pace", "kind"), [(0.01, "info"), (1.0, "warning")])
def test_a_long_training_is_announced_and_a_very_long_one_refused(
    monkeypatch: pytest.MonkeyPatch, pace: float, kind: str
) -> None:
    monkeypatch.setattr(learning, "_pace", lambda *_: pace)
    app = _page(updates=2000)
    assert "minutes" in getattr(app, kind)[0].value
    assert _button(app, "Train").disabled == (kind == "warning")


@pytest.mark.usefixtures("_few_updates")
def test_several_seeds_in_the_view() -> None:
    app = _trained(_page(cells=["lstm"], seeds=3, seed=7))
    assert {row["seed"] for row in _rows(app)} == {7, 8, 9}
    spec = json.loads(app.get("vega_lite_chart")[0].proto.spec)
    assert "seeds 7 to 9" in spec["title"]["subtitle"][0]
