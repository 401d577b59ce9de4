"""Several fittings: both ways see the same, drift is measured, scripts print it, and the page asks before it shows."""

from collections import Counter

import keras
import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from rnnviz.charts.ragged_fittings import ends_of, fitting_chart
from rnnviz.lesson.ragged_fittings import BATCHES, LENGTHS, ORDERS, Fittings, fit_groups, fitting_lines, plans
from rnnviz.pages.lesson import batches_fittings
from tests.conftest import run_lines

CODE = "from rnnviz.pages.lesson import batches_fittings\nbatches_fittings.render()\n"
SLOW = 60_000


@pytest.fixture(scope="module")
def short() -> Fittings:
    """The longest series first, in a third of the page's updates."""
    before = torch.random.get_rng_state()
    *shares, found = fit_groups(ORDERS[1], 0, 3)
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert torch.equal(before, torch.random.get_rng_state())
    return found


def test_both_ways_hold_every_batch_equally_often() -> None:
    after, turns = plans(np.random.default_rng(0), (16, 4, 32, 8), 3)
    assert Counter(after) == Counter(turns) == Counter({(n, k): 3 for n in LENGTHS for k in range(BATCHES)})
    assert [n for n, _ in after] == [n for n in (16, 4, 32, 8) for _ in range(3 * BATCHES)]
    assert all(sorted(n for n, _ in turns[i : i + 4]) == sorted(LENGTHS) for i in range(0, len(turns), 4))
    assert {order[-1] for order in ORDERS} == set(LENGTHS)


def test_a_network_drifts_to_the_length_fitted_last(short: Fittings) -> None:
    assert short.after.shape == short.turns.shape == (len(short.updates), len(LENGTHS)) and short.updates[-1] == 120
    np.testing.assert_array_equal(short.after[0], short.turns[0])
    np.testing.assert_array_equal(short.own[0], short.after[-1, 0])
    assert short.own[3] == short.after[10, 3], "length 32 came first, a quarter of the updates"
    assert short.after[-1, 3] > 5 * short.own[3] and short.after[-1, 3] > 5 * short.turns[-1, 3]
    assert short.turns[-1].max() < 0.3 * short.guessed.min(), "in turn, every length is learned"


def test_both_programs_print_the_last_errors() -> None:
    *_, found = fit_groups(ORDERS[2], 3, 1)
    expected = np.column_stack([LENGTHS, found.after[-1], found.turns[-1]])
    floatx = keras.config.floatx()
    try:
        for script in fitting_lines(ORDERS[2], 3, 1):
            printed = [[float(number) for number in line.split()] for line in run_lines(script).splitlines()]
            np.testing.assert_allclose(printed, expected, atol=2e-6)
    finally:
        keras.config.set_floatx(floatx)


def test_both_pictures_have_the_same_axes(short: Fittings) -> None:
    ends = ends_of(short.after, short.turns)
    assert ends[0] < min(short.after.min(), short.turns.min()) and ends[1] > max(short.after.max(), short.turns.max())
    one = fitting_chart(short.updates, short.after, LENGTHS, ends, "one", short.order).to_dict()
    two = fitting_chart(short.updates, short.turns, LENGTHS, ends, "two").to_dict()
    assert [len(chart["layer"]) for chart in (one, two)] == [4, 2] and one["title"] == "one"
    scales = [chart["layer"][-1]["encoding"]["y"]["scale"] for chart in (one, two)]
    assert scales[0] == scales[1] and scales[0]["domain"] == list(ends) and scales[0]["type"] == "log"
    told = [row["told"] for rows in one["datasets"].values() for row in rows if "told" in row]
    assert told == ["fit 32", "fit 16", "fit 8", "fit 4"]


def _said(app: AppTest) -> str:
    return " ".join(element.value for element in (*app.markdown, *app.caption, *app.info, *app.success))


def test_the_page_fits_asks_and_shows(short: Fittings, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def quick(order: tuple[int, ...], seed: int):
        begun.append((order, seed))
        yield 0.5
        yield short

    monkeypatch.setattr(batches_fittings, "fit_groups", quick)
    app = AppTest.from_string(CODE, default_timeout=60)
    app.session_state["keep_batches_order"], app.session_state["keep_batches_seed"] = ["x"], -3
    app.run()
    assert not app.exception and not begun and not app.dataframe
    app.selectbox(key="keep_batches_order").set_value("32, 16, 8, 4").run()
    app.button(key="batches_fit").click().run()
    assert begun == [(ORDERS[1], 0)] and not app.exception and not app.dataframe, "asked first"
    assert f"held-out series of 32 numbers was {short.own[3]:.2g}" in _said(app)
    assert "Measured" not in _said(app)
    app.button(key="show_batches-drift").click().run()
    table = app.dataframe[0].value
    assert table["at the end, one after the other"].tolist() == [f"{e:.6f}" for e in short.after[-1]]
    assert table["at the end, in turn"].tolist() == [f"{e:.6f}" for e in short.turns[-1]]
    assert "got worse" in _said(app) and "batches_fit" not in [button.key for button in app.button]
    app.number_input(key="keep_batches_seed").set_value(5).run()
    assert not app.dataframe and "batches_fit" in [button.key for button in app.button]
    app.number_input(key="keep_batches_seed").set_value(0).run()
    assert len(begun) == 1 and app.dataframe, "kept by its settings"
    assert "rng = np.random.default_rng(0)" in app.code[0].value and "(32, 16, 8, 4)" in app.code[0].value


def test_no_drift_is_said_as_it_is(short: Fittings) -> None:
    flat = Fittings(short.order, short.updates, np.ones_like(short.after), short.turns, short.guessed)
    assert "no drift this time" in batches_fittings._measured(flat)
    assert "drifted towards" in batches_fittings._measured(short)
