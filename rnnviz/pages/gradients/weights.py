"""The gradient of the recurrent weights: which steps it comes from, what truncation leaves out, what clipping does."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.gradients import gradient_decay
from rnnviz.analysis.weight_gradients import Truncation, WeightGradient, gradient_norms, truncation, weight_gradient
from rnnviz.charts.decay import Line, decay_chart
from rnnviz.charts.gradients import clipping_chart, share_chart, truncation_chart
from rnnviz.charts.text import as_text
from rnnviz.components.knobs import Knob, knobs
from rnnviz.network import Network
from rnnviz.pages.gradients.networks import Choice, about, beside
from rnnviz.subjects import LONGEST_GRADIENT

_SHARES, _TRUNCATED, _CLIPPED = "Share by step", "Truncated BPTT", "Clipping"
_WINDOW = Knob("window", "Window", 1, LONGEST_GRADIENT, 1, 32, unit="steps", help="Steps between two cuts.")
_LIMIT = Knob("limit", "Clip the norm at", 0.01, 100, 0.05, 0.5, logarithmic=True, help="The largest norm let through.")


def render() -> None:
    """Draw the view."""
    beside(_draw)


def _draw(choice: Choice) -> None:
    what = st.segmented_control(
        "Look at",
        [_SHARES, _TRUNCATED, _CLIPPED],
        key=session.fitting("keep_gradient_weights", [_SHARES, _TRUNCATED, _CLIPPED], _SHARES),
        required=True,
    )
    {_SHARES: _shares, _TRUNCATED: _truncated, _CLIPPED: _clipped}[what](choice)
    st.caption(about(choice))


def _shares(choice: Choice) -> None:
    found: list[WeightGradient] = [session.measured(weight_gradient, subject) for subject in choice.subjects]
    lines = [Line(one.label, one.log10_norms[::-1], one.tokens[::-1]) for one in found]
    subtitle = "Frobenius norm of the part of dL/dW_hh from each step, loss at the end, top layer"
    st.vega_lite_chart(spec=decay_chart(lines, "Each step's part of the weights' gradient", subtitle), width="stretch")
    usable = [one for one in found if np.isfinite(one.share).all()]
    for one in found:
        if one not in usable:
            st.warning(f"{as_text(one.label)}: the gradient of W_hh is zero or beyond any number: it has no shares.")
    if usable:
        shares = {one.label: one.share[::-1] for one in usable}
        st.altair_chart(share_chart(shares, {one.label: one.tokens[::-1] for one in usable}), width="stretch")
    st.caption(
        "One matrix serves every step, so its gradient is a sum over steps. Look how soon the lower chart reaches "
        "100 %: what lies further back has no say in how the weights change. A part may point against the sum: the "
        "line then falls, and may pass 100 % before. The first step's part is zero where the state before it is."
    )


def _truncated(choice: Choice) -> None:
    window = round(knobs([_WINDOW], key="gradient_window")["window"])
    powers = [2**i for i in range(LONGEST_GRADIENT.bit_length()) if 2**i < LONGEST_GRADIENT]
    windows = tuple(sorted({*powers, window}))
    found: list[Truncation] = [session.measured(_truncation, s, windows=windows) for s in choice.subjects]
    for one in found:
        if not np.isfinite(one.missing).all():
            st.warning(f"{as_text(one.label)}: the gradient of W_hh is zero or beyond any number: nothing to compare.")
    st.altair_chart(truncation_chart(found, window), width="stretch")
    at = [one.windows.index(window) for one in found]
    st.dataframe(
        {
            "network": [one.label for one in found],
            "missing part": [f"{one.missing[i]:.3f}" for one, i in zip(found, at, strict=True)],
            "cosine with the full gradient": [f"{one.cosine[i]:.3f}" for one, i in zip(found, at, strict=True)],
            "length / full length": [f"{one.ratio[i]:.3f}" for one, i in zip(found, at, strict=True)],
        },
        hide_index=True,
        width="stretch",
    )
    st.caption(
        f"As in training: the text is cut every {window} steps, the state goes on over a cut, the gradient does not. "
        "A language model's loss is the mean over all steps, a classifier's that at the end. Missing part 0 is no "
        "bias; a cosine of 1 means that the truncated gradient still points the right way."
    )
    decays = [session.measured(gradient_decay, subject) for subject in choice.subjects]
    lines = [Line(one.label, one.back(), one.tokens[::-1]) for one in decays]
    subtitle = "\u2016\u2202 loss / \u2202 h\u209c\u2016, loss at the end; what is right of the rule is cut off"
    steps = max(len(one.tokens) for one in decays)
    st.vega_lite_chart(
        spec=decay_chart(lines, "The gradient that a cut takes away", subtitle, cut=window if window < steps else None),
        width="stretch",
    )
    st.caption(
        "Look how large the gradient still is where the rule stands: what lies beyond it is thrown away. This is a "
        "loss at the end of a window; one in its middle sees fewer steps still."
    )


def _truncation(
    network: Network, ids: np.ndarray, tokens: object, label: str, *, windows: tuple[int, ...]
) -> Truncation:
    return truncation(network, ids, windows, label)


def _clipped(choice: Choice) -> None:
    limit = knobs([_LIMIT], key="gradient_limit")["limit"]
    norms = {s.label: session.measured(_norms, s)["total"] for s in choice.subjects}
    finite = {name: norm for name, norm in norms.items() if np.isfinite(norm)}
    if finite:
        st.altair_chart(clipping_chart(finite, limit), width="stretch")
    for name in norms.keys() - finite.keys():
        st.warning(
            f"{as_text(name)}: the gradient's norm is {norms[name]}: it overflowed, and clipping cannot mend that."
        )
    for name, norm in finite.items():
        if norm > limit:
            st.text(f"{name}: {norm:.4g} is scaled by {limit / norm:.3g}; the direction stays.")
        else:
            st.text(f"{name}: {norm:.4g} stays as it is.")
    st.caption(
        "The norm is that of all weights' gradients together, of the loss used in training (Pascanu, Mikolov and "
        "Bengio 2013). Turn up the scale of W_hh and look: the step that is taken stays bounded. Clipping mends "
        "explosion only: what has vanished stays vanished."
    )


def _norms(network: Network, ids: np.ndarray, tokens: object, label: str) -> dict[str, float]:
    return gradient_norms(network, ids)
