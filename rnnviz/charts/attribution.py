"""What each word of a text does to an answer: two measures word by word, and the answer's course over the words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.palette import LINES, STOPS
from rnnviz.charts.text import visible
from rnnviz.recording import UNSURE

ROW, COURSE = 22, 280
"""Heights in pixels: of one word's row, and of the course."""
_GREY = "#808080"
_SHAPES = ("circle", "diamond")
_BAR = """<style>
.rv-scale {display:grid; grid-template-columns:1fr 1fr 1fr; max-width:420px; font-size:14px; line-height:1.5}
.rv-scale i {grid-column:1/4; height:14px; border-radius:3px}
.rv-scale :nth-child(3) {text-align:center}
.rv-scale :nth-child(4) {text-align:right}
</style>"""


def scale_html(low: str, middle: str, high: str) -> str:
    """Return a legend of the colour scale: what its ends and its middle stand for; everything is escaped."""
    bar = f'<i style="background:linear-gradient(to right,{",".join(STOPS)})"></i>'
    words = "".join(f"<span>{escape(text)}</span>" for text in (low, middle, high))
    return f'{_BAR}<div class="rv-scale">{bar}{words}</div>'


def weights_chart(
    tokens: Sequence[str],
    measures: Mapping[str, np.ndarray],
    places: Sequence[int],
    most: float,
    title: str,
    axis: str,
) -> alt.LayerChart:
    """Draw what each word adds, a row a word and a point a measure.

    Args:
        tokens: (time,).
        measures: Name -> (time,), in nats.
        places: The words that are drawn, from above.
        most: The axis goes from minus to plus this; that of the colours.
        title: What is drawn.
        axis: The values' name and unit.
    """
    rows = [f"{i + 1}. {visible(tokens[i])}" for i in places]
    data = pd.DataFrame(
        {
            "row": rows * len(measures),
            "place": [i + 1 for i in places] * len(measures),
            "word": [visible(tokens[i]) for i in places] * len(measures),
            "measure": np.repeat(list(measures), len(places)),
            "nats": np.concatenate([values[list(places)] for values in measures.values()]),
        }
    )
    names = list(measures)
    legend = alt.Legend(orient="top", columns=1, labelLimit=300, symbolSize=160)
    y = alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(labelLimit=130, labelOverlap=False, labelFlush=False))
    x = alt.X("nats:Q", title=axis, scale=alt.Scale(domain=[-1.05 * most, 1.05 * most], nice=False))
    color = alt.Color("measure:N", title=None, legend=legend, scale=alt.Scale(domain=names, range=list(LINES[:2])))
    shape = alt.Shape("measure:N", title=None, legend=legend, scale=alt.Scale(domain=names, range=list(_SHAPES)))
    tips = ["word", alt.Tooltip("place:Q", title="place"), "measure", alt.Tooltip("nats:Q", format="+.4f")]
    base = alt.Chart(data)
    ends = base.mark_rule(color=_GREY, opacity=0.5).encode(x=alt.X("min(nats):Q"), x2="max(nats):Q", y=y)
    points = base.mark_point(size=110, filled=True, opacity=0.9).encode(
        x=x, y=y, color=color, shape=shape, tooltip=tips
    )
    zero = alt.Chart(pd.DataFrame({"nats": [0.0]})).mark_rule(color=_GREY).encode(x="nats:Q")
    height = ROW * max(2, len(places))
    return alt.layer(zero, ends, points).properties(height=height, title=alt.Title(title, anchor="start"))


def course_chart(
    tokens: Sequence[str], probabilities: np.ndarray, moves: np.ndarray, label: str, truth: str = ""
) -> alt.LayerChart:
    """Draw the probability of one class after every word, the band in which a network is unsure, and the truth.

    Args:
        tokens: (time,).
        probabilities: (time,), of the class.
        moves: (time,), how much each word moved its log-odds, in nats.
        label: The class.
        truth: The text's true class; "" where it is not known.
    """
    after = np.arange(1, len(tokens) + 1)
    words = [visible(token) for token in tokens]
    data = pd.DataFrame({"after": after, "word": words, "probability": probabilities, "moved": moves})
    x = alt.X("after:Q", title="words read", axis=alt.Axis(tickMinStep=1), scale=alt.Scale(nice=False, zero=False))
    name = f"probability of \u201c{label}\u201d"
    y = alt.Y("probability:Q", title=name, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    low, high = UNSURE
    band = alt.Chart(pd.DataFrame({"low": [low], "high": [high]})).mark_rect(color=_GREY, opacity=0.18)
    note = alt.Chart(pd.DataFrame({"at": [low], "text": ["unsure"]})).mark_text(align="left", dy=-6, color=_GREY)
    tips = ["word", alt.Tooltip("after:Q", title="place"), alt.Tooltip("probability:Q", format=".1%")]
    tips.append(alt.Tooltip("moved:Q", title="moved the log-odds, nats", format="+.2f"))
    base = alt.Chart(data).encode(x=x, y=y)
    layers = [
        band.encode(y=alt.Y("low:Q", title=name), y2="high:Q"),
        note.encode(y=alt.Y("at:Q", title=name), x=alt.value(4), text="text:N"),
        base.mark_line(strokeWidth=2.5, color=LINES[0], point=len(tokens) == 1),
        base.mark_point(opacity=0, filled=True, size=90).encode(tooltip=tips),
    ]
    if truth:
        at = pd.DataFrame({"truth": [float(truth == label)], "text": [f"true label: {truth}"]})
        rule = (
            alt.Chart(at)
            .mark_rule(color=LINES[1], strokeDash=[6, 3], strokeWidth=2.5)
            .encode(y=alt.Y("truth:Q", title=name))
        )
        said = alt.Chart(at).mark_text(align="right", dy=12 if truth == label else -10, color=LINES[1], fontSize=13)
        layers += [rule, said.encode(y=alt.Y("truth:Q", title=name), x=alt.value("width"), text="text:N")]
    title = alt.Title(f"Probability of \u201c{label}\u201d", subtitle="after every word", subtitleColor=_GREY)
    return alt.layer(*layers).properties(height=COURSE, title=title)
