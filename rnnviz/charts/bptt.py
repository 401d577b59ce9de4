"""Charts of back-propagation through time: parts of a sum, what a cut leaves out, losses over learning rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.lines import HOVERED, styled
from rnnviz.charts.palette import LINES, STOPS

_GREY = "#8c8c8c"
_SIGNS = ["below zero", "above zero"]


def parts_chart(tokens: Sequence[str], parts: np.ndarray, name: str, legend: bool = True) -> alt.LayerChart:
    """Draw what each step adds to one weight's gradient, with its sign, and the sum.

    Args:
        tokens: (time,), what was read.
        parts: (time,).
        name: The weight, for the title.
        legend: Whether the colours are explained; a small picture to choose from does without.
    """
    data = pd.DataFrame({"step": np.arange(1, len(parts) + 1), "token": list(tokens), "part": parts})
    data["sign"] = np.where(parts < 0, *_SIGNS)
    data["label"] = [f"{step} {token[:12]}" for step, token in zip(data["step"], data["token"], strict=True)]
    few = len(parts) <= HOVERED // 2
    x = alt.X("label:N" if few else "step:Q", title="step t and what was read" if few else "step t")
    x = x.sort(None).axis(labelAngle=-40, labelLimit=110) if few else x
    color = alt.Color(
        "sign:N",
        title="part",
        scale=alt.Scale(domain=_SIGNS, range=[STOPS[1], STOPS[-2]]),
        legend=alt.Legend(orient="bottom") if legend else None,
    )
    tips = ["step", "token", alt.Tooltip("part:Q", format=".6e"), "sign"]
    bars = (
        alt.Chart(data)
        .mark_bar()
        .encode(
            x=x,
            y=alt.Y("part:Q", title="part of dL/dw", axis=alt.Axis(format="~g", tickCount=6 if legend else 3)),
            color=color,
            tooltip=tips,
        )
    )
    total = pd.DataFrame({"sum": [float(parts.sum())]})
    zero = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=_GREY).encode(y="zero:Q")
    rule = alt.Chart(total).mark_rule(color=LINES[4], strokeDash=[7, 4], strokeWidth=2.5)
    rule = rule.encode(y="sum:Q", tooltip=[alt.Tooltip("sum:Q", format=".6e", title="the sum of all parts")])
    title = alt.Title(name, subtitle="dashed line: the sum of all bars", subtitleColor=_GREY) if legend else name
    return alt.layer(bars, zero, rule).properties(height=400 if legend else 240, title=title)


def cut_chart(missing: Mapping[str, np.ndarray], kept: int) -> alt.LayerChart:
    """Draw what part of dL/dW_hh is missing when only the last k steps count.

    Args:
        missing: Network -> (time,), from k = 1.
        kept: The k to mark.
    """
    frames = [
        pd.DataFrame({"network": name, "k": np.arange(1, len(part) + 1), "missing": part})
        for name, part in missing.items()
    ]
    line = alt.Chart(pd.concat(frames)).mark_line(strokeWidth=2.5, point=len(next(iter(missing.values()))) <= HOVERED)
    line = line.encode(
        x=alt.X("k:Q", title="steps kept, k", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("missing:Q", title="missing part of dL/dW_h", axis=alt.Axis(format="%")),
        tooltip=["network", "k", alt.Tooltip("missing:Q", format=".2%")],
        **styled(list(missing), "network"),
    )
    rule = alt.Chart(pd.DataFrame({"k": [kept]})).mark_rule(color=_GREY, strokeDash=[4, 4], strokeWidth=2)
    title = alt.Title("What a cut after k steps leaves out", subtitle="grey line: the k chosen", subtitleColor=_GREY)
    return alt.layer(rule.encode(x="k:Q", tooltip=["k"]), line).properties(height=380, title=title)


def products_chart(products: Mapping[str, np.ndarray]) -> alt.Chart:
    """Draw |dh_T / dh_{T-k}| against k on a logarithmic axis.

    Args:
        products: Name -> (time + 1,), signed; exact zeros are left out.
    """
    frames = []
    for name, values in products.items():
        data = pd.DataFrame({"network": name, "k": np.arange(len(values)), "size": np.abs(values), "value": values})
        frames.append(data[data["size"] > 0])
    chart = alt.Chart(pd.concat(frames), title="The product of k factors").mark_line(point=True, strokeWidth=2.5)
    return chart.encode(
        x=alt.X("k:Q", title="steps back k", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y(
            "size:Q",
            title="|product| (log scale)",
            scale=alt.Scale(type="log"),
            axis=alt.Axis(format="~e", tickCount=6),
        ),
        tooltip=["network", "k", alt.Tooltip("value:Q", format=".4e", title="product")],
        **styled(list(products), "line"),
    ).properties(height=380)


def rates_chart(rates: np.ndarray, losses: np.ndarray, before: float, chosen: float, after: float) -> alt.LayerChart:
    """Draw the loss after one update against the learning rate, with the loss before and the rate chosen.

    Args:
        rates: (rate,).
        losses: (rate,), after one update.
        before: The loss before it.
        chosen: The rate on the knob.
        after: The loss after one update with it.
    """
    axes = {
        "x": alt.X(
            "rate:Q",
            title="learning rate (log scale)",
            scale=alt.Scale(type="log"),
            axis=alt.Axis(format="~g", tickCount=6),
        ),
        "y": alt.Y("loss:Q", title="loss in nats", scale=alt.Scale(zero=True)),
    }
    names = ["after one update", "before"]
    data = pd.concat(
        [
            pd.DataFrame({"network": names[0], "rate": rates, "loss": losses}),
            pd.DataFrame({"network": names[1], "rate": rates[[0, -1]], "loss": [before, before]}),
        ]
    )
    tips = ["network", alt.Tooltip("rate:Q", format=".4g"), alt.Tooltip("loss:Q", format=".5f")]
    line = alt.Chart(data).mark_line(strokeWidth=2.5, point=True).encode(tooltip=tips, **axes, **styled(names, "loss"))
    here = pd.DataFrame({"network": ["the rate chosen"], "rate": [chosen], "loss": [after]})
    point = alt.Chart(here).mark_point(size=190, shape="diamond", filled=True, color=LINES[2], opacity=1)
    title = alt.Title("One update, many learning rates", subtitle="diamond: the rate chosen", subtitleColor=_GREY)
    return alt.layer(line, point.encode(tooltip=tips, **axes)).properties(height=380, title=title)


def losses_chart(losses: np.ndarray) -> alt.Chart:
    """Draw the loss over updates: (updates + 1,)."""
    data = pd.DataFrame({"update": np.arange(len(losses)), "loss": losses})
    chart = alt.Chart(data, title="Loss over updates").mark_line(point=True, strokeWidth=2.5, color=LINES[0])
    return chart.encode(
        x=alt.X("update:Q", title="updates", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("loss:Q", title="loss in nats"),
        tooltip=["update", alt.Tooltip("loss:Q", format=".5f")],
    ).properties(height=380)
