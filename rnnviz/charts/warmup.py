"""The warm-up's pictures and formulas: one unit's chain, the slopes of activations, a matrix's eigenvalues and powers.

Sizes come as base-10 logarithms and are drawn on a linear axis whose labels are powers of ten, so that 1e-400 has its
place beside 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.analysis.scalar import ACTIVATIONS, ScalarChain, log10_powers, out_of_range
from rnnviz.analysis.spectrum import Powers, Spectrum
from rnnviz.charts.lines import hovered, styled
from rnnviz.charts.palette import LINES
from rnnviz.charts.powers import plain, power_axis, tex

HEIGHT = 500
PLANE = 262
_GREY = "#808080"
_ON_CIRCLE = 1e-9
_TRUE, _LINEAR, _BOUND = "true product (measured)", "wᵏ (closed form, no activation)", "(|w| γ)ᵏ (upper bound)"
_ZERO, _LAST = "exactly zero", "the last that is not zero"
_OVER, _UNDER = "float32 overflows from here", "float32 underflows from here"
_SHAPES = {_ZERO: "cross", _LAST: "circle", _OVER: "triangle-up", _UNDER: "triangle-down"}


_Curves = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""What a line is called -> log10 of its sizes, and their signs, for k = 0, 1, ..."""


def chain_formula(chain: ScalarChain) -> str:
    """Return the chain rule over all T steps in TeX, its value, w^T and the bound beside it."""
    steps, gamma = chain.steps, ACTIVATIONS[chain.activation].steepest
    weight = f"({chain.weight:g})" if chain.weight < 0 else f"{chain.weight:g}"
    values = [
        tex(chain.log10_product[-1], int(chain.signs[-1])),
        tex(chain.log10_linear[-1], int(chain.linear_signs[-1])),
        tex(chain.log10_bound[-1]),
    ]
    return (
        r"\begin{aligned}"
        rf"\frac{{\partial h_{{{steps}}}}}{{\partial h_0}} &= \prod_{{t=1}}^{{{steps}}} w\,f'(a_t) = {values[0]}\\"
        rf"w^{{{steps}}} &= {weight}^{{{steps}}} = {values[1]}\\"
        rf"(|w|\,\gamma)^{{{steps}}} &= ({abs(chain.weight):g}\cdot {gamma:g})^{{{steps}}} = {values[2]}"
        r"\end{aligned}"
    )


def chain_remarks(chain: ScalarChain) -> list[str]:
    """Say in words where the product is zero and where it, or the state, leaves the numbers a computer has."""
    remarks = []
    if chain.zero_from is not None:
        why = "w is 0" if chain.weight == 0 else "a ReLU that is off has slope 0"
        remarks.append(f"The true product is exactly zero from k = {chain.zero_from} on: {why}.")
    over, under = out_of_range(chain.log10_product)
    if over is not None:
        remarks.append(f"The true product overflows in float32 (above 3.4e38) from k = {over} on.")
    if under is not None:
        remarks.append(f"The true product underflows in float32 (below 1.2e-38) from k = {under} on.")
    for dtype, limit in ((np.float32, "3.4e38"), (np.float64, "1.8e308")):
        if (step := chain.state_overflow(dtype)) is not None:
            remarks.append(f"The state itself overflows in {dtype.__name__} (above {limit}) at step {step}.")
    return remarks


def chain_chart(chain: ScalarChain) -> alt.LayerChart:
    """Draw |d h_T / d h_{T-k}| against k, with w^k and the bound, all by their logarithms.

    An exact zero has no logarithm: it is a cross at the lower edge. Triangles mark where float32 would give up.

    Args:
        chain: The unit's run.
    """
    curves = {
        _TRUE: (chain.log10_product, chain.signs),
        _LINEAR: (chain.log10_linear, chain.linear_signs),
        _BOUND: (chain.log10_bound, np.ones(chain.steps + 1)),
    }
    title = alt.Title(
        "Derivative over k steps, one unit",
        subtitle=f"h\u209c = f(w h\u209c\u208b\u2081), f: {ACTIVATIONS[chain.activation].label}, w = {chain.weight:g}",
        subtitleColor=_GREY,
    )
    marks = [(_TRUE, k, kind) for k, kind in zip(out_of_range(chain.log10_product), (_OVER, _UNDER), strict=True)]
    return _stacked(_curves(curves, "steps back k", marks), title)


def slope_formula(weight: float, steps: int) -> str:
    """Return the sigmoid's largest slope, and what it leaves after some steps, in TeX."""
    left = log10_powers(weight / 4, steps)[-1]
    return (
        r"\begin{aligned}\sigma'(a) &= \sigma(a)\,(1-\sigma(a)) \le \tfrac14\\"
        rf"\Bigl|\frac{{\partial h_{{{steps}}}}}{{\partial h_0}}\Bigr| &\le \Bigl(\frac{{|w|}}{{4}}\Bigr)^{{{steps}}}"
        rf" = \Bigl(\frac{{{abs(weight):g}}}{{4}}\Bigr)^{{{steps}}} = {tex(left)}\end{{aligned}}"
    )


def slope_chart(at: float) -> alt.LayerChart:
    """Draw the slopes of tanh and sigmoid with their maxima, and where one pre-activation stands on them.

    Args:
        at: The pre-activation a.
    """
    grid = np.linspace(-6, 6, 241)
    names = {"tanh": "tanh: 1 \u2212 tanh\u00b2(a)", "sigmoid": "sigmoid: \u03c3(a) (1 \u2212 \u03c3(a))"}
    style = _listed(list(names.values()), "slope of")
    axes = {
        "x": alt.X("a:Q", title="pre-activation a", scale=alt.Scale(domain=[-6, 6])),
        "y": alt.Y("slope:Q", title="slope f\u2032(a)", scale=alt.Scale(domain=[0, 1.1], nice=False)),
    }
    kinds = ["largest slope", f"at a = {at:g}"]
    shape = alt.Shape(
        "point:N", title=None, legend=_legend(2), scale=alt.Scale(domain=kinds, range=["diamond", "circle"])
    )
    tips = [_number("a", ".2f"), _number("slope", ".3e")]
    lines, marks = [], []
    for (key, name), color, below in zip(names.items(), LINES, (-14, 18), strict=False):
        slope, top = ACTIVATIONS[key].slope, ACTIVATIONS[key].steepest
        lines.append(pd.DataFrame({"network": name, "a": grid, "slope": slope(grid)}))
        for kind, a, look in zip(kinds, (0.0, at), ({"filled": True}, {"strokeWidth": 2.5}), strict=True):
            row = pd.DataFrame({"network": [name], "point": [kind], "a": [a], "slope": slope(np.array([a]))})
            dot = alt.Chart(row).mark_point(size=130, opacity=1, color=color, **look)
            marks.append(dot.encode(shape=shape, tooltip=["network", "point", *tips], **axes))
        peak = alt.Chart(pd.DataFrame({"a": [0.0], "slope": [top], "text": ["1/4" if top == 0.25 else f"{top:g}"]}))
        marks.append(peak.mark_text(dy=below, fontSize=14, color=_GREY).encode(text="text:N", **axes))
    data = pd.concat(lines, ignore_index=True)
    line = alt.Chart(data).mark_line(strokeWidth=2.5).encode(**axes, **style)
    unseen = alt.Chart(data[data.index % 4 == 0]).mark_point(opacity=0, filled=True, size=110)
    return _stacked(
        [line, unseen.encode(tooltip=["network", *tips], **axes), *marks], alt.Title("Slopes of tanh and sigmoid")
    )


def repeated_chart(weight: float, at: float, steps: int) -> alt.LayerChart:
    """Draw |w f'(a)|^k for tanh and sigmoid, all steps at the same pre-activation, with the sigmoid's bound.

    Args:
        weight: w.
        at: The pre-activation a of every step.
        steps: The largest k.
    """
    curves = {}
    for key in ("tanh", "sigmoid"):
        slope = float(ACTIVATIONS[key].log10_slope(np.array(at)))
        sizes = log10_powers(weight, steps) + slope * np.arange(steps + 1)
        curves[f"{key} at a = {at:g} (closed form)"] = (sizes, np.ones(steps + 1))
    curves["sigmoid at most: (|w| / 4)ᵏ (upper bound)"] = (log10_powers(weight / 4, steps), np.ones(steps + 1))
    title = alt.Title("The same slope k times: |w f\u2032(a)|ᵏ", subtitle=f"w = {weight:g}", subtitleColor=_GREY)
    return _stacked(_curves(curves, "steps back k"), title)


def eigenvalue_chart(found: Spectrum, name: str, title: str = "Eigenvalues of W_hh") -> alt.LayerChart:
    """Draw eigenvalues in the complex plane, with the unit circle and the circle through the largest.

    Args:
        found: The matrix's spectrum.
        name: What the points are, for the legend.
        title: The chart's.
    """
    values = found.eigenvalues
    size = np.abs(values)
    data = pd.DataFrame(
        {
            "re": values.real,
            "im": values.imag,
            "value": [f"{v.real:.4f} {'-' if v.imag < 0 else '+'} {abs(v.imag):.4f}i" for v in values],
            "modulus": size,
            "angle": np.degrees(np.angle(values)),
            "where": np.select(
                [np.abs(size - 1) <= _ON_CIRCLE, size < 1], ["on the unit circle", "inside: fades"], "outside: grows"
            ),
        }
    )
    reach = max(1.0, math.ceil(found.radius * 2.2) / 2) + 0.15
    axes = _plane(reach)
    circles = {"unit circle": 1.0, f"radius \u03c1 = {found.radius:.3g} (largest modulus)": found.radius}
    turn = np.linspace(0, 2 * np.pi, 181)
    rings = pd.concat(
        pd.DataFrame({"network": key, "order": turn, "re": r * np.cos(turn), "im": r * np.sin(turn), "radius": r})
        for key, r in circles.items()
    )
    ring = alt.Chart(rings).mark_line(strokeWidth=2)
    ring = ring.encode(order="order:Q", tooltip=["network", _number("radius", ".4f")], **axes, **_ring_style(circles))
    kinds = ["inside: fades", "on the unit circle", "outside: grows"]
    scale = alt.Scale(domain=kinds, range=["circle", "square", "triangle-up"])
    shape = alt.Shape("where:N", title=name, legend=_legend(), scale=scale)
    points = alt.Chart(data).mark_point(size=45, filled=True, opacity=0.85, color=LINES[0])
    tips = ["value", _number("modulus", ".4f"), alt.Tooltip("angle:Q", format=".1f", title="angle in degrees"), "where"]
    points = points.encode(shape=shape, tooltip=tips, **axes)
    title = alt.Title(title, subtitle=f"H = {len(values)}", subtitleColor=_GREY)
    plane = _stacked([ring, points], title).properties(width=PLANE, height=PLANE)
    return plane.properties(autosize=alt.AutoSizeParams(type="pad", contains="content"))


def powers_formula(found: Powers) -> str:
    """Return the two bounds on the last power's size in TeX, with their values."""
    steps = len(found.log10_norms) - 1
    low, size, high = (tex(part[-1]) for part in (found.log10_radius, found.log10_norms, found.log10_singular))
    return (
        rf"\begin{{aligned}}\rho^{{{steps}}} &\le \lVert W_{{hh}}^{{{steps}}}\rVert_2 \le \sigma_{{\max}}^{{{steps}}}\\"
        rf"{low} &\le {size} \le {high}\end{{aligned}}"
    )


def powers_chart(
    found: Powers, name: str, band: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None, band_name: str = ""
) -> alt.LayerChart:
    """Draw ||W^k|| against k between rho^k and sigma_max^k, where wanted over a band of other draws.

    Args:
        found: The matrix's powers.
        name: What the measured line is, for the legend.
        band: k, and log10 of the smallest and of the largest ||W^k|| over several draws, each (power,).
        band_name: What the band is, for the legend.
    """
    ones = np.ones(len(found.log10_norms))
    curves = {
        name: (found.log10_norms, ones),
        "\u03c1ᵏ, from the eigenvalues (lower bound)": (found.log10_radius, ones),
        "\u03c3ᵏ, largest singular value (upper bound)": (found.log10_singular, ones),
    }
    shown = [found.log10_norms, found.log10_radius, *(band or ())[1:]]
    layers = _curves(curves, "steps k", shown=shown)
    if band is not None:
        k, low, high = (part[np.isfinite(band[1]) & np.isfinite(band[2])] for part in band)
        data = pd.DataFrame({"k": k, "low": low, "high": high, "band": band_name})
        data["from"], data["to"] = [plain(v) for v in low], [plain(v) for v in high]
        legend = alt.Legend(orient="top", labelLimit=300, symbolType="square", symbolSize=200)
        fill = alt.Fill("band:N", title=None, legend=legend, scale=alt.Scale(domain=[band_name], range=[LINES[0]]))
        area = alt.Chart(data).mark_area(opacity=0.25, clip=True).encode(x="k:Q", y="low:Q", y2="high:Q", fill=fill)
        layers = [area.encode(tooltip=["band", "k", "from", "to"]), *layers]
    title = alt.Title("Powers of the matrix W_hh: \u2016Wᵏ\u2016", subtitle="spectral norm", subtitleColor=_GREY)
    return _stacked(layers, title)


def _curves(
    curves: _Curves,
    x_title: str,
    marks: Sequence[tuple[str, int | None, str]] = (),
    shown: Sequence[np.ndarray] | None = None,
) -> list[alt.Chart]:
    """Lines of log10 sizes with signs against k = 0, 1, ..., crosses for exact zeros, and marks (name, k, kind).

    The axis spans all curves, or else the sizes in `shown` and a little above them; lines are clipped to it.
    """
    data = _table(curves)
    zero = np.isneginf(data["log10"])
    low, high = _span(data["log10"].to_numpy() if shown is None else np.concatenate(list(shown)))
    high += 0 if shown is None else 1 + (high - low) // 4
    floor = low - (0.05 * (high - low) if zero.any() else 0.0)
    y = alt.Y(
        "log10:Q",
        title="size (log scale)",
        axis=power_axis(),
        scale=alt.Scale(domain=[floor, high], nice=False),
    )
    axes = {"x": alt.X("k:Q", title=x_title, axis=alt.Axis(tickMinStep=1), scale=alt.Scale(nice=False)), "y": y}
    tips = ["network", "k", alt.Tooltip("value:N", title="value")]
    line = alt.Chart(data[~zero]).mark_line(strokeWidth=2.5, clip=shown is not None)
    special = [data[zero].assign(log10=floor, mark=_ZERO)]
    special.append(data[~zero & zero.shift(-1, fill_value=False)].assign(mark=_LAST))
    special += [data[(data["network"] == name) & (data["k"] == k)].assign(mark=kind) for name, k, kind in marks]
    unseen = alt.Chart(data[~zero & hovered(data["k"].to_numpy())])
    return [
        line.encode(**axes, **_listed(list(curves), "line")),
        unseen.mark_point(opacity=0, filled=True, size=110, clip=shown is not None).encode(tooltip=tips, **axes),
        *_points(pd.concat(special, ignore_index=True), list(curves), {"tooltip": [*tips, "mark"], **axes}),
    ]


def _table(curves: _Curves) -> pd.DataFrame:
    frames = []
    for name, (sizes, signs) in curves.items():
        text = [plain(size, int(sign)) for size, sign in zip(sizes.tolist(), signs.tolist(), strict=True)]
        frames.append(pd.DataFrame({"network": name, "k": np.arange(len(sizes)), "log10": sizes, "value": text}))
    return pd.concat(frames, ignore_index=True)


def _span(log10_sizes: np.ndarray) -> tuple[int, int]:
    """Whole powers of ten around all finite sizes, at least one decade apart."""
    finite = log10_sizes[np.isfinite(log10_sizes)].round(9)
    low, high = math.floor(finite.min()), math.ceil(finite.max())
    return low - (low == high), high


def _points(special: pd.DataFrame, names: list[str], encoding: dict[str, object]) -> list[alt.Chart]:
    """What lines cannot show, each kind with its shape, in its line's colour; marks in one place are nested."""
    present = [kind for kind in _SHAPES if (special["mark"] == kind).any()]
    scale = alt.Scale(domain=present, range=[_SHAPES[kind] for kind in present])
    shape = alt.Shape("mark:N", title=None, legend=_legend(), scale=scale)
    layers = []
    for i, (name, color) in enumerate(zip(names, LINES, strict=False)):
        rows = special[special["network"] == name]
        if len(rows):
            points = alt.Chart(rows).mark_point(size=60 + 70 * (len(names) - i), filled=True, opacity=1, color=color)
            layers.append(points.encode(shape=shape, **encoding))
    return layers


def _stacked(layers: list[alt.Chart], title: alt.Title) -> alt.LayerChart:
    return alt.layer(*layers).properties(height=HEIGHT, title=title)


def _plane(reach: float) -> dict[str, alt.X | alt.Y]:
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    return {
        "x": alt.X("re:Q", title="real part", scale=scale, axis=alt.Axis(tickCount=5, labelFlush=True)),
        "y": alt.Y("im:Q", title="imaginary part", scale=scale, axis=alt.Axis(tickCount=5)),
    }


def _ring_style(circles: dict[str, float]) -> dict[str, alt.Color | alt.StrokeDash]:
    """The unit circle in grey, the other in the second line's colour, each with its own dashes."""
    legend = alt.Legend(orient="bottom", symbolSize=200, labelLimit=260, columns=1)

    def of(values: list) -> dict:
        return {"title": "circle", "legend": legend, "scale": alt.Scale(domain=list(circles), range=values)}

    return {
        "color": alt.Color("network:N", **of([_GREY, LINES[1]])),
        "strokeDash": alt.StrokeDash("network:N", **of([[1, 0], [8, 4]])),
    }


def _listed(names: list[str], title: str) -> dict[str, alt.Color | alt.StrokeDash]:
    """Lines' styles with the legend one below the other: these names are too long to stand side by side on a phone."""
    style = styled(names, title)
    for channel in style.values():
        channel["legend"]["columns"] = 1
    return style


def _legend(columns: int = 1) -> alt.Legend:
    """A second legend stands above the plot: beside the first one, below, it would be cut on a phone."""
    look = {"symbolFillColor": _GREY, "symbolStrokeColor": _GREY, "symbolSize": 90}
    return alt.Legend(orient="top", titleLimit=300, labelLimit=260, columns=columns, **look)


def _number(field: str, form: str) -> alt.Tooltip:
    return alt.Tooltip(f"{field}:Q", format=form)
