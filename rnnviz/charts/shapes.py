"""Diagrams of recurrent layers, unrolled: boxes for inputs, cells and outputs, arrows with the shapes that pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import altair as alt
import pandas as pd

Shape = tuple[int, ...]

_FILLS = {"input": "#1b5e8c", "cell": "#a34700", "dense": "#5a5a5a", "output": "#00664b"}
"""White letters on each have a contrast of at least 4.5 : 1."""
_PANEL, _INK, _FAINT = "#f7f8fa", "#222222", "#6b6b6b"
_WIDE, _HIGH = 0.27, 0.21
"""Half a box, as shares of a column and a row."""
_ROW = 92
_ABOVE = 0.74
"""Where on its way up an arrow has its label: clear of those between the cells."""
_LOWER = str.maketrans("0123456789", "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089")


@dataclass(frozen=True)
class Net:
    """What is drawn.

    Attributes:
        kind: "layers", or one of `lesson.shapes.KINDS`.
        cell: What stands in each cell's box.
        states: What passes between steps, as in "h, c".
        time: Steps that are read, or for one to many written.
        layers: Levels.
        both: Two directions.
        sequences: Every step of the top leaves it.
        state: The top's last state leaves it.
        written: Steps that a decoder writes.
        ends: Names of the boxes below and above, as in ("x", "y").
    """

    kind: str
    cell: str = "LSTM"
    states: str = "h, c"
    time: int = 5
    layers: int = 1
    both: bool = False
    sequences: bool = False
    state: bool = False
    written: int = 5
    ends: tuple[str, str] = ("x", "y")


@dataclass
class _Drawing:
    boxes: list[dict] = field(default_factory=list)
    lines: list[dict] = field(default_factory=list)
    heads: list[dict] = field(default_factory=list)
    labels: list[dict] = field(default_factory=list)

    def box(self, x: float, y: float, text: str, kind: str, wide: float = _WIDE, high: float = _HIGH) -> None:
        edges = {"x": x - wide, "x2": x + wide, "y": y - high, "y2": y + high}
        self.boxes.append({**edges, "cx": x, "cy": y, "text": text, "kind": kind, "passes": text})

    def arrow(
        self, start: tuple[float, float], end: tuple[float, float], label: str = "", *, below: bool = False, **how: bool
    ) -> None:
        """Draw a line from start to end with a head there, and what passes on it beside or above it."""
        (x, y), (x2, y2) = start, end
        passes = label.replace("\n", " ")
        line = {"x": x, "y": y, "x2": x2, "y2": y2, "passes": passes, "dashed": bool(how.get("dashed"))}
        self.lines.append(line)
        if how.get("head", True):
            shape = ("triangle-right" if x2 > x else "triangle-left") if y == y2 else "triangle-up"
            self.heads.append({"x": x2, "y": y2, "shape": shape, "passes": passes})
        if label:
            place = "right" if x == x2 else "below" if below else "above"
            middle = y + (y2 - y) * (_ABOVE if place == "right" else 0.5)
            self.labels.append({"x": (x + x2) / 2, "y": middle, "text": label, "place": place, "passes": passes})


def told(shape: Shape) -> str:
    """Return a shape as Python writes it, without spaces."""
    return str(tuple(shape)).replace(" ", "")


def _steps(time: int, most: int) -> list[int]:
    """Return the steps that are drawn: the first ones and the last."""
    return list(range(1, time + 1)) if time <= most else [*range(1, most), time]


def _named(name: str, step: int) -> str:
    return name + str(step).translate(_LOWER)


def _up(draw: _Drawing, x: float, y: float, label: str) -> None:
    draw.arrow((x, y + _HIGH), (x, y + 1 - _HIGH), label)


def _row(draw: _Drawing, net: Net, level: int, steps: Sequence[int], left: float, state: str, both: bool) -> None:
    """Draw one level's cells and what passes between them, dashed where steps are left out."""
    for i, _ in enumerate(steps):
        draw.box(left + i, level, net.cell, "cell")
    for i, (one, two) in enumerate(pairwise(steps)):
        ends, dashed = (left + i + _WIDE, left + i + 1 - _WIDE), two > one + 1
        draw.arrow((ends[0], level + 0.08), (ends[1], level + 0.08), state, dashed=dashed)
        if both:
            shape = state.partition("\n")[2]
            draw.arrow((ends[1], level - 0.08), (ends[0], level - 0.08), shape, below=True, dashed=dashed)


def _layers(draw: _Drawing, net: Net, shapes: Mapping[str, Shape], steps: Sequence[int]) -> None:
    """Draw inputs and levels from column 0 on."""
    for i, step in enumerate(steps):
        draw.box(i, 0, _named(net.ends[0], step), "input")
        for level in range(net.layers):
            _up(draw, i, level, told(shapes["x_t"] if level == 0 else shapes[f"up_{level}"]))
    for level in range(1, net.layers + 1):
        _row(draw, net, level, steps, 0, f"{net.states}\n{told(shapes['h'])}", net.both)


def _start(draw: _Drawing, net: Net, shapes: Mapping[str, Shape], columns: int) -> None:
    """Draw the initial states, zeros unless given."""
    for level in range(1, net.layers + 1):
        draw.arrow((-0.8, level + 0.08), (-_WIDE, level + 0.08), f"start\n{told(shapes['h'])}")
        if net.both:
            x = columns - 1
            draw.arrow((x + 0.8, level - 0.08), (x + _WIDE, level - 0.08), told(shapes["h"]), below=True)


def _end(draw: _Drawing, net: Net, shapes: Mapping[str, Shape], columns: int) -> None:
    """Draw the top's last states as they leave."""
    level, text = net.layers, f"{net.states}\n{told(shapes['final'])}"
    draw.arrow((columns - 1 + _WIDE, level + 0.08), (columns - 0.2, level + 0.08), text)
    if net.both:
        draw.arrow((-_WIDE, level - 0.08), (-0.8, level - 0.08), text, below=True)


def _last(draw: _Drawing, net: Net, shapes: Mapping[str, Shape], columns: int) -> None:
    """Draw what leaves the top where only the last step does: each direction's own last one."""
    _up(draw, columns - 1, net.layers, told(shapes["final"] if net.both else shapes["out"]))
    if net.both and columns > 1:
        _up(draw, 0, net.layers, told(shapes["final"]))


def _plain(draw: _Drawing, net: Net, shapes: Mapping[str, Shape]) -> int:
    steps = _steps(net.time, 3)
    columns, top = len(steps), net.layers + 1
    _layers(draw, net, shapes, steps)
    _start(draw, net, shapes, columns)
    if net.sequences:
        for i in range(columns):
            _up(draw, i, net.layers, told(shapes["out_t"]))
    else:
        _last(draw, net, shapes, columns)
    wide = (columns - 1) / 2 + _WIDE
    if net.sequences or net.both:
        draw.box((columns - 1) / 2, top, f"output {told(shapes['out'])}", "output", max(wide, 0.6))
    else:
        draw.box(columns - 1, top, f"output {told(shapes['out'])}", "output", 0.62)
    if net.state:
        _end(draw, net, shapes, columns)
    return columns


def _many_to_one(draw: _Drawing, net: Net, shapes: Mapping[str, Shape]) -> int:
    steps = _steps(net.time, 3)
    columns, top = len(steps), net.layers + 1
    _layers(draw, net, shapes, steps)
    _start(draw, net, shapes, columns)
    _last(draw, net, shapes, columns)
    middle = (columns - 1) / 2
    draw.box(middle if net.both else columns - 1, top, "Dense", "dense", middle + _WIDE if net.both else _WIDE)
    _up(draw, columns - 1, top, told(shapes["y"]))
    draw.box(columns - 1, top + 1, net.ends[1], "output")
    return columns


def _aligned(draw: _Drawing, net: Net, shapes: Mapping[str, Shape]) -> int:
    steps = _steps(net.time, 3)
    _layers(draw, net, shapes, steps)
    _start(draw, net, shapes, len(steps))
    for i, step in enumerate(steps):
        _labelled(draw, net, shapes["out_t"], shapes["y_t"], (i, step))
    return len(steps)


def _labelled(draw: _Drawing, net: Net, out: Shape, y: Shape, at: tuple[float, int]) -> None:
    """Draw a step's way from the top through the head."""
    (x, step), top = at, net.layers + 1
    _up(draw, x, net.layers, told(out))
    draw.box(x, top, "Dense", "dense")
    _up(draw, x, top, told(y))
    draw.box(x, top + 1, _named(net.ends[1], step), "output")


def _writer(draw: _Drawing, net: Net, names: Mapping[str, Shape], steps: Sequence[int], left: int) -> None:
    """Draw steps that each read what was written before: "fed", "up_1", "h", "out_t" and "y_t" name the shapes."""
    for i, step in enumerate(steps):
        x = left + i
        draw.box(x, 0, _named(net.ends[1], step - 1) if step > 1 else "start", "input")
        for level in range(net.layers):
            _up(draw, x, level, told(names["fed"] if level == 0 else names[f"up_{level}"]))
        _labelled(draw, net, names["out_t"], names["y_t"], (x, step))
    for level in range(1, net.layers + 1):
        _row(draw, net, level, steps, left, f"{net.states}\n{told(names['h'])}", False)
    for i, (one, two) in enumerate(pairwise(steps)):
        if two == one + 1:
            _back(draw, left + i, net.layers + 2)


def _back(draw: _Drawing, x: float, top: float) -> None:
    """Draw the way of a written character back to the input of the next step."""
    turn = x + 0.6
    draw.arrow((x + _WIDE, top), (turn, top), dashed=True, head=False)
    draw.arrow((turn, top), (turn, 0), dashed=True, head=False)
    draw.arrow((turn, 0), (x + 1 - _WIDE, 0), dashed=True)


def _one_to_many(draw: _Drawing, net: Net, shapes: Mapping[str, Shape]) -> int:
    steps = _steps(net.time, 3)
    middle = (net.layers + 1) / 2
    draw.box(-1.1, 0, net.ends[0], "input")
    draw.box(-1.1, middle, "Dense", "dense", high=(net.layers - 1) / 2 + _HIGH)
    draw.arrow((-1.1, _HIGH), (-1.1, 1 - _HIGH), told(shapes["x_t"]))
    for level in range(1, net.layers + 1):
        draw.arrow((-1.1 + _WIDE, level + 0.08), (-_WIDE, level + 0.08), f"start\n{told(shapes['first'])}")
    _writer(draw, net, shapes, steps, 0)
    return len(steps)


def _encoder_decoder(draw: _Drawing, net: Net, shapes: Mapping[str, Shape]) -> int:
    reads, writes = _steps(net.time, 2), _steps(net.written, 2)
    _layers(draw, net, shapes, reads)
    columns, passed = len(reads), f"{net.states}\n{told(shapes['passed_h'])}"
    for level in range(1, net.layers + 1):
        draw.arrow((columns - 1 + _WIDE, level + 0.08), (columns + 0.3 - _WIDE, level + 0.08), passed)
    names = {"fed": shapes["fed"], "h": shapes["dec_h"], "out_t": shapes["dec_t"], "y_t": shapes["y_t"]}
    names |= {f"up_{level}": shapes[f"dec_up_{level}"] for level in range(1, net.layers)}
    _writer(draw, net, names, writes, columns + 0.3)
    return columns + len(writes)


_KINDS = {
    "layers": _plain,
    "many_to_one": _many_to_one,
    "one_to_many": _one_to_many,
    "aligned": _aligned,
    "encoder_decoder": _encoder_decoder,
}


def shape_chart(net: Net, shapes: Mapping[str, Shape], title: str = "", subtitle: str = "") -> alt.LayerChart:
    """Draw layers unrolled over some of their steps; a dashed arrow leaves out the steps between.

    Args:
        net: What is drawn.
        shapes: Place -> shape, as `lesson.shapes` measures them.
        title: Above it.
        subtitle: Below the title.
    """
    draw = _Drawing()
    columns = _KINDS[net.kind](draw, net, shapes)
    if net.kind == "one_to_many":
        ends = [-1.45, columns - 0.4]
    elif net.kind == "encoder_decoder":
        ends = [-0.45, columns - 0.1]
    else:
        ends = [-0.95, columns - 0.05]
    rows = net.layers + (1 if net.kind == "layers" else 2)
    return _chart(draw, ends, rows).properties(
        height=(rows + 0.7) * _ROW, title=alt.Title(title, subtitle=subtitle, subtitleColor="#808080")
    )


def _chart(draw: _Drawing, ends: list[float], rows: int, marked: bool = True) -> alt.LayerChart:
    scales = {
        "x": alt.Scale(domain=ends, nice=False, zero=False),
        "y": alt.Scale(domain=[-0.35, rows + 0.35], nice=False),
    }
    layers = [*_arrows(draw, scales), *_boxes(draw, scales, 13 if marked else 10)]
    if marked:
        layers += _labels(draw, scales)
    return alt.layer(*layers, view=alt.ViewConfig(fill=_PANEL, cornerRadius=8))


def _at(name: str, axis: str, scales: Mapping[str, alt.Scale]) -> alt.X | alt.Y:
    return (alt.X if axis == "x" else alt.Y)(f"{name}:Q", axis=None, scale=scales[axis])


def _passes() -> alt.Tooltip:
    return alt.Tooltip("passes:N", title="here")


def _arrows(draw: _Drawing, scales: Mapping[str, alt.Scale]) -> list[alt.Chart]:
    dash = alt.StrokeDash("dashed:N", scale=alt.Scale(domain=[False, True], range=[[1, 0], [4, 4]]), legend=None)
    place = {"x": _at("x", "x", scales), "y": _at("y", "y", scales)}
    lines = alt.Chart(pd.DataFrame(draw.lines)).mark_rule(color=_FAINT, strokeWidth=1.6)
    heads = alt.Chart(pd.DataFrame(draw.heads)).mark_point(filled=True, color=_FAINT, size=50, opacity=1)
    shape = alt.Shape("shape:N", scale=None, legend=None)
    return [
        lines.encode(**place, x2="x2:Q", y2="y2:Q", strokeDash=dash),
        heads.encode(**place, shape=shape, tooltip=[_passes()]),
    ]


def _boxes(draw: _Drawing, scales: Mapping[str, alt.Scale], size: int) -> list[alt.Chart]:
    data = pd.DataFrame(draw.boxes)
    fill = alt.Color("kind:N", scale=alt.Scale(domain=list(_FILLS), range=list(_FILLS.values())), legend=None)
    base = alt.Chart(data)
    boxes = base.mark_rect(cornerRadius=4, opacity=1).encode(
        x=_at("x", "x", scales), x2="x2:Q", y=_at("y", "y", scales), y2="y2:Q", color=fill, tooltip=[_passes()]
    )
    names = base.mark_text(color="#ffffff", fontSize=size, fontWeight=600).encode(
        x=_at("cx", "x", scales), y=_at("cy", "y", scales), text="text:N"
    )
    return [boxes, names]


_PLACES = {
    "right": {"align": "left", "baseline": "middle", "dx": 6},
    "above": {"align": "center", "baseline": "bottom", "dy": -19, "lineHeight": 14},
    "below": {"align": "center", "baseline": "top", "dy": 5},
}


def _labels(draw: _Drawing, scales: Mapping[str, alt.Scale]) -> list[alt.Chart]:
    found = []
    for place, how in _PLACES.items():
        rows = [label for label in draw.labels if label["place"] == place]
        if rows:
            marks = alt.Chart(pd.DataFrame(rows)).mark_text(color=_INK, fontSize=12, lineBreak="\n", **how)
            found.append(
                marks.encode(x=_at("x", "x", scales), y=_at("y", "y", scales), text="text:N", tooltip=[_passes()])
            )
    return found


_BARE = {
    "many_to_one": Net("many_to_one", "", "", 3, ends=("", "")),
    "one_to_many": Net("one_to_many", "", "", 3, ends=("", "")),
    "aligned": Net("aligned", "", "", 3, ends=("", "")),
    "encoder_decoder": Net("encoder_decoder", "", "", 2, written=2, ends=("", "")),
}


def bare_chart(kind: str) -> alt.LayerChart:
    """Draw a small diagram of a kind, boxes and arrows alone, for a question that must not name it."""
    draw, net = _Drawing(), _BARE[kind]
    nothing = dict.fromkeys(("x_t", "h", "out", "out_t", "final", "y", "y_t", "first", "fed"), ())
    nothing |= dict.fromkeys(("passed_h", "dec_h", "dec_t"), ())
    columns = _KINDS[kind](draw, net, nothing)
    draw.boxes = [{**box, "text": "", "passes": box["kind"]} for box in draw.boxes]
    ends = [-1.45 if kind == "one_to_many" else -0.85, columns - (0 if kind == "encoder_decoder" else 0.15)]
    return _chart(draw, ends, net.layers + 2, marked=False).properties(height=190)
