"""A text as a path of states in a plane, among the ends of other texts; a slider in the picture scrubs through it."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.analysis.paths import Border, Plane, largest_steps
from rnnviz.charts.palette import LINES, STOPS
from rnnviz.charts.telling import OF_CLASS, OF_REST
from rnnviz.charts.text import visible

HEIGHT = 640
SLIDER = "word"
"""The name of the slider's parameter: how many words have been read."""
NAMED = 8
"""Words that are written at the path: those of the largest steps, where they do not stand on each other."""
_APART = (0.16, 0.045)
"""How far apart written words stand, as shares of the picture's width and height: one of the two at least."""
_PLUS, _DASH = "M0,-0.6V0.6M-0.6,0H0.6", "M-0.6,0H0.6"
_NOW_COLOUR = LINES[3]
_GREY = "#808080"
_LONGEST_NAME = 18
_MARGIN = 0.06
_SO_FAR, _NOW = f"datum.read <= {SLIDER}", f"datum.read === {SLIDER}"


def path_chart(
    plane: Plane,
    ends: pd.DataFrame,
    points: np.ndarray,
    words: Sequence[str],
    probabilities: np.ndarray,
    label: str,
    rest: str,
    border: Border | None,
    title: str,
) -> alt.LayerChart:
    """Draw a path among the ends of held-out texts.

    Args:
        plane: The plane, for the axes' names.
        ends: From `ends_table`.
        points: float64 (time, 2), the path.
        words: (time,), what was read.
        probabilities: (time,), the class' probability after each word.
        label: The class.
        rest: What the other texts are called.
        border: Where the answer turns, or None where it is no line.
        title: What moves.
    """
    around = np.concatenate([points, ends[["x", "y"]].to_numpy()])
    low, high = around.min(axis=0), around.max(axis=0)
    margin = _MARGIN * np.maximum(high - low, 1e-9)
    low, high = low - margin, high + margin
    steps = _steps(points, words, probabilities, label, _named((points - low) / (high - low)))
    axes = {
        name: kind(f"{name}:Q", title=f"{text} axis ({share:.0%})", scale=alt.Scale(domain=[a, b], nice=False))
        for name, kind, text, share, a, b in zip(
            "xy", (alt.X, alt.Y), ("first", "second"), plane.shares, low.tolist(), high.tolist(), strict=True
        )
    }
    last = len(steps)
    slider = alt.param(
        name=SLIDER, value=last, bind=alt.binding_range(min=1, max=max(last, 2), step=1, name="Words read ")
    )
    layers = [_ends_layer(ends, axes, label, rest), *_border_layers(border, low, high, axes)]
    layers += _path_layers(alt.Chart(steps).encode(**axes), last, label)
    heading = alt.Title(title, subtitle="small signs: where held-out reviews end", subtitleColor=_GREY)
    return (
        alt.layer(*layers)
        .add_params(slider)
        .resolve_scale(color="independent", shape="independent")
        .properties(height=HEIGHT, title=heading)
    )


def ends_table(
    points: np.ndarray, positive: np.ndarray, probability: np.ndarray, names: tuple[str, str]
) -> pd.DataFrame:
    """Return the held-out texts' ends as `path_chart` takes them.

    Args:
        points: float64 (text, 2).
        positive: bool (text,), the texts of the class.
        probability: (text,), the class' probability.
        names: What texts of the class and the others are called.
    """
    return pd.DataFrame(
        {"x": points[:, 0], "y": points[:, 1], "class": np.where(positive, *names), "probability": probability}
    )


def _named(places: np.ndarray) -> np.ndarray:
    """Choose the words that are written, not on each other nor on the ends: bool (time,), by shares of the picture."""
    last = len(places) - 1
    taken = [0, last]
    for time in largest_steps(places).tolist():
        if len(taken) == NAMED + 2:
            break
        if all((np.abs(places[time] - places[other]) > _APART).any() for other in taken):
            taken.append(time)
    return np.isin(np.arange(len(places)), taken[2:])


def _steps(
    points: np.ndarray, words: Sequence[str], probabilities: np.ndarray, label: str, named: np.ndarray
) -> pd.DataFrame:
    """Return one row a word, with what is written at it."""
    shown = [visible(word) for word in words]
    now = [
        f"word {i} of {len(shown)}: \u201c{_short(word)}\u201d, {label} {p:.0%}"
        for i, (word, p) in enumerate(zip(shown, probabilities.tolist(), strict=True), start=1)
    ]
    return pd.DataFrame(
        {
            "x": points[:, 0],
            "y": points[:, 1],
            "read": np.arange(1, len(points) + 1),
            "word": shown,
            "probability": probabilities,
            "name": np.where(named, [_short(word) for word in shown], ""),
            "now": now,
            "place": ["start", *[""] * (len(shown) - 2), "end"][-len(shown) :],
        }
    )


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST_NAME else f"{word[: _LONGEST_NAME - 1]}\u2026"


def _ends_layer(ends: pd.DataFrame, axes: dict, label: str, rest: str) -> alt.Chart:
    """Draw the held-out ends: a plus for the class, a dash for the rest."""
    names, legend = [label, rest], alt.Legend(orient="top", offset=34, symbolSize=160, symbolStrokeWidth=2.5)
    return (
        alt.Chart(ends)
        .mark_point(size=50, opacity=0.6, strokeWidth=1.6)
        .encode(
            **axes,
            color=alt.Color(
                "class:N",
                title="held-out review",
                legend=legend,
                scale=alt.Scale(domain=names, range=[OF_CLASS, OF_REST]),
            ),
            shape=alt.Shape(
                "class:N",
                title="held-out review",
                legend=legend,
                scale=alt.Scale(domain=names, range=[_PLUS, _DASH]),
            ),
            tooltip=[
                alt.Tooltip("class:N", title="held-out review"),
                alt.Tooltip("probability:Q", format=".3f", title=f"the network\u2019s probability of {label}"),
            ],
        )
    )


def _border_layers(border: Border | None, low: np.ndarray, high: np.ndarray, axes: dict) -> list[alt.Chart]:
    """Draw the line on which the answer turns, if it passes through the picture."""
    ends = border.ends(low, high) if border else None
    if ends is None:
        return []
    line = alt.Chart(pd.DataFrame(ends, columns=["x", "y"])).encode(**axes)
    name = alt.Chart(pd.DataFrame(ends[ends[:, 1].argmax()][None], columns=["x", "y"])).encode(**axes)
    return [
        line.mark_line(color=_GREY, strokeWidth=2, strokeDash=[7, 4]),
        name.mark_text(text="one half", color=_GREY, align="left", dx=6, dy=12),
    ]


def _path_layers(base: alt.Chart, last: int, label: str) -> list[alt.Chart]:
    """Draw the whole path faintly, the part read so far strongly, its ends, its largest steps' words, and the word."""
    tips = ["read", "word", alt.Tooltip("probability:Q", format=".3f", title=f"probability of {label}")]
    order = alt.Order("read:Q")
    so_far, now = base.transform_filter(_SO_FAR), base.transform_filter(_NOW)
    shade = alt.Fill(
        "probability:Q",
        title=f"probability of {label}",
        scale=alt.Scale(domain=[0, 1], range=list(STOPS)),
        legend=alt.Legend(orient="bottom", gradientLength=180, format="%"),
    )
    size = alt.Size("read:Q", legend=None, scale=alt.Scale(domain=[1, max(2, last)], range=[24, 120]))
    ends = base.transform_filter("datum.place !== ''")
    shape = alt.Shape("place:N", legend=None, scale=alt.Scale(domain=["start", "end"], range=["triangle-up", "square"]))
    named = so_far.transform_filter("datum.name !== ''").encode(text="name:N")
    told = now.encode(x=alt.value(0), y=alt.value(-16), text="now:N")
    return [
        base.mark_line(color=_GREY, strokeWidth=1, opacity=0.35).encode(order=order),
        so_far.mark_line(color=_GREY, strokeWidth=2).encode(order=order),
        ends.mark_point(size=300, strokeWidth=2.5, color=_GREY).encode(shape=shape),
        so_far.mark_point(filled=True, opacity=1, stroke="#404040", strokeWidth=0.8).encode(
            fill=shade, size=size, tooltip=tips
        ),
        now.mark_point(size=460, strokeWidth=3.5, color=_NOW_COLOUR).encode(tooltip=tips),
        *_written(ends.encode(text="place:N"), dy=-20),
        *_written(named, align="left", dx=10, dy=-8),
        told.mark_text(align="left", fontSize=13, fontWeight="bold", color=_GREY),
    ]


def _written(base: alt.Chart, **place: object) -> list[alt.Chart]:
    """Write dark on a pale rim, which can be read on light and dark pages, over whatever is below."""
    font = {"fontSize": 13, "fontWeight": "bold", **place}
    return [
        base.mark_text(stroke="#e8e8e8", strokeWidth=3.5, strokeJoin="round", **font),
        base.mark_text(color="#202020", **font),
    ]
