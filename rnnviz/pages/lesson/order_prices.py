"""A series of prices in another order: mean and spread stay, what a two-unit network remembers does not."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.charts import order as charts
from rnnviz.charts.order import FIRST, YOURS
from rnnviz.components.knobs import Knob, knobs
from rnnviz.components.lines import lines
from rnnviz.components.question import ask
from rnnviz.lesson.order import in_order
from rnnviz.lesson.order_numbers import GAIN, HOLD, price_lines, price_states, read_numbers, summary
from rnnviz.lesson.questions import Several
from rnnviz.pages.lesson.order_tools import REVERSE, SORT, order_tools

PRICES = "keep_order_series"
EXAMPLE = "101 104 102 106 105 109 112 110 115 118"
_KNOBS = [Knob("keep", "Memory kept k", 0, 0.95, 0.05, 0.8, help="How much of what it remembers stays each day.")]
_CLEAR = 0.1
_LABEL = "Prices, one a day, apart by spaces"


@st.fragment
@session.guarded
def render() -> None:
    """Draw the part."""
    st.header("A series of prices")
    st.write(
        "The same with numbers. Is the price rising or falling? Mean, spread, lowest and highest cannot tell: they are "
        "a bag\u2019s features. A recurrent network of two units can."
    )
    text = st.text_input(_LABEL, key=session.typed(PRICES, EXAMPLE), disabled=session.frozen("text"))
    prices = read_numbers(text)
    order = order_tools("prices", prices, lambda i: _number(prices[i]), "price", REVERSE | SORT)
    yours = in_order(prices, order)
    _ask(prices)
    keep = knobs(_KNOBS, key="order_memory", frozen=session.frozen("model"))["keep"]
    st.latex(r"\begin{aligned}a_t&=\tanh(p\,z_t)\\b_t&=\tanh(q\,p\,z_t-q\,a_{t-1}+k\,b_{t-1})\end{aligned}")
    st.markdown(rf"with $p={HOLD:g}$, $q={GAIN:g}$ and $k={keep:g}$, from $a_0=\tanh(p\,z_1)$ and $b_0=0$.")
    st.caption(
        "z is the price less the mean, over the spread (the standard deviation, over n): the same in every order. The "
        "first unit holds today\u2019s price; the second compares it with the one held since yesterday and adds the "
        "outcome to what it remembers. The first price is compared with itself. The weights are set by hand, so that "
        "every number can be followed."
    )
    _show(prices, yours, keep)
    lines(
        *price_lines(prices, yours, keep),
        note="Both units after the last price, in the first order and in yours; float64.",
    )


def _ask(prices: list[float]) -> None:
    """Ask what changes when the series is turned round."""
    back = prices[::-1]
    here, there = summary(prices), summary(back)
    last = price_states(prices, 0.8)[-1], price_states(back, 0.8)[-1]
    changes = (
        here.mean != there.mean,
        here.spread != there.spread,
        prices[-1] != back[-1],
        here.highest != there.highest,
        bool(np.abs(last[0] - last[1]).max() > 1e-9),
    )
    ask(
        Several(
            "order-prices",
            "Read this very series from the last day to the first. Which of these change?",
            "Mean, spread and extremes are sums and comparisons over all prices, whatever their order. The last price "
            "and the network\u2019s last state depend on which came when; a series that reads the same both ways keeps "
            "those too.",
            ("the mean", "the spread", "the last price", "the highest price", "the network\u2019s last state"),
            tuple(i for i, change in enumerate(changes) if change),
        )
    )


_FEATURES = (
    ("mean", "mean"),
    ("spread (standard deviation)", "spread"),
    ("lowest", "lowest"),
    ("highest", "highest"),
)


def _number(value: float) -> str:
    return f"{value:,.10g}".replace("-", "\u2212")


def _show(prices: list[float], yours: list[float], keep: float) -> None:
    """Both orders: features, states and pictures."""
    states = price_states(prices, keep), price_states(yours, keep)
    rows = [
        (name, *(_number(getattr(summary(series), field)) for series in (prices, yours))) for name, field in _FEATURES
    ]
    ends = [float(state[-1, 1]) for state in states]
    rows.append(("network remembers", *(f"{end:+.3f}".replace("-", "\u2212") for end in ends)))
    rows.append(("network says", *(_says(end) for end in ends)))
    st.html(charts.table_html(("what", FIRST, YOURS), rows, "Bag features, then the network", lit=(4, 5)))
    left, right = st.columns(2)
    left.altair_chart(charts.series_chart(prices, yours), width="stretch")
    right.altair_chart(charts.memory_chart(states[0][:, 1], states[1][:, 1]), width="stretch")
    st.caption(
        f"Look where the lines on the right end: above {_CLEAR:g} the network says rising, below \u2212{_CLEAR:g} "
        "falling. Sort the prices and the memory usually ends high, sort and reverse them and it usually ends low, "
        "while the first four rows of the table never move. The newest steps count most; with k = 0 only the last one."
    )


def _says(end: float) -> str:
    return "rising" if end > _CLEAR else "falling" if end < -_CLEAR else "neither"
