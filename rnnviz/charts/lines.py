"""Line charts: how lines are told apart, and a probability moving word by word."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.palette import DASHES, LINES
from rnnviz.charts.text import visible
from rnnviz.recording import Prediction

HEIGHT = 440
_SUBTITLE = "#808080"


HOVERED = 60
"""Points of a line that show their values under the mouse: a line by itself shows those of its first point."""


def hovered(back: np.ndarray) -> np.ndarray:
    """Choose at most `HOVERED` evenly spaced places, the ends among them: int (point,) -> bool (point,)."""
    last = int(back.max(initial=0))
    every = -(-(last + 1) // HOVERED)
    return (back % every == 0) | (back == last)


def colours(names: Sequence[str]) -> list[str]:
    """Return the lines' colours in the order of their names."""
    return [LINES[i % len(LINES)] for i in range(len(names))]


def styled(names: Sequence[str], title: str) -> dict[str, alt.Color | alt.StrokeDash]:
    """Return colour and dashes by the field "network", so that colour does not carry the meaning alone."""
    dashes = [DASHES[i % len(DASHES)] for i in range(len(names))]
    legend = alt.Legend(orient="bottom", symbolSize=200, labelLimit=260, columns=2)
    domain = list(names)
    return {
        "color": alt.Color(
            "network:N", title=title, legend=legend, scale=alt.Scale(domain=domain, range=colours(names))
        ),
        "strokeDash": alt.StrokeDash(
            "network:N", title=title, legend=legend, scale=alt.Scale(domain=domain, range=dashes)
        ),
    }


def sentiment_chart(predictions: Sequence[Prediction], label: str) -> alt.LayerChart:
    """Draw the probability of one class after every word, a line a model; words never seen are hollow squares.

    Args:
        predictions: One a model, of the same text.
        label: The class.
    """
    frames = []
    for prediction in predictions:
        column = prediction.labels.index(label)
        strange = set(prediction.unknown)
        frames.append(
            pd.DataFrame(
                {
                    "network": prediction.model_id,
                    "after": np.arange(1, len(prediction.tokens) + 1),
                    "word": [visible(token) for token in prediction.tokens],
                    "probability": prediction.probabilities[:, column],
                    "seen": ["never seen" if token in strange else "known" for token in prediction.tokens],
                }
            )
        )
    data = pd.concat(frames, ignore_index=True)
    base = alt.Chart(data).encode(
        x=alt.X("after:Q", title="words read", axis=alt.Axis(tickMinStep=1), scale=alt.Scale(nice=False)),
        y=alt.Y("probability:Q", title=f"probability of \u201c{label}\u201d", scale=alt.Scale(domain=[0, 1])),
        tooltip=["network", "after", "word", "seen", alt.Tooltip("probability:Q", format=".3f")],
        **styled([prediction.model_id for prediction in predictions], "network"),
    )
    shape = alt.Shape(
        "seen:N",
        title="word",
        legend=alt.Legend(orient="bottom", columns=1),
        scale=alt.Scale(domain=["known", "never seen"], range=["circle", "square"]),
    )
    points = base.mark_point(size=60, opacity=0.9).encode(shape=shape, strokeDash=alt.value([1, 0]))
    half = alt.Chart(pd.DataFrame({"half": [0.5]})).mark_rule(color="#888", strokeDash=[2, 2]).encode(y="half:Q")
    title = alt.Title(f"Probability of \u201c{label}\u201d", subtitle="after every word", subtitleColor=_SUBTITLE)
    return alt.layer(half, base.mark_line(strokeWidth=2.5), points).properties(height=HEIGHT, title=title)
