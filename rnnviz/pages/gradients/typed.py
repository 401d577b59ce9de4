"""Which characters or words of the user's own text the loss depends on, shown on the text; and every loss at once."""

from __future__ import annotations

import numpy as np
import streamlit as st

from rnnviz import session
from rnnviz.analysis.attribution import Attribution, InputGradients, input_gradients, integrated_gradients
from rnnviz.analysis.gradients import GradientTriangle, gradient_triangle
from rnnviz.cells import CELLS
from rnnviz.charts.gradients import SHOWN, triangle_chart
from rnnviz.charts.palette import Scale
from rnnviz.charts.powers import plain, power_of_ten
from rnnviz.charts.text import as_text, text_html, visible
from rnnviz.pages.gradients.networks import Choice, about, beside, pick_state, say_without
from rnnviz.subjects import Subject, integrated_seconds, triangle_seconds

POINTS = 32
_MOST_CELLS = 60
_MEASURES = _NORM, _INTEGRATED, _ALL = "Gradient at each token", "Integrated gradients", "Every loss, every state"


def render() -> None:
    """Draw the view."""
    beside(_draw)


def _draw(choice: Choice) -> None:
    measure = st.segmented_control(
        "Measure", _MEASURES, key=session.fitting("keep_gradient_measure", _MEASURES, _NORM), required=True
    )
    {_NORM: _norms, _INTEGRATED: _integrated, _ALL: _triangles}[measure](choice)
    st.caption(about(choice))


def _norms(choice: Choice) -> None:
    """Colour each token by the size of the loss's gradient with respect to its vector."""
    low, high = SHOWN
    st.caption(
        "Each token is coloured by \u2016\u2202 loss / \u2202 x\u209c\u2016, x\u209c its vector: how much a nudge of "
        "that token's vector moves the loss at the end. Look how far from the end red reaches; point at a token for "
        f"its number. Blue is {power_of_ten(low)} or less, red {power_of_ten(high)} or more, in every picture alike."
    )
    for subject in choice.subjects:
        found: InputGradients = session.measured(input_gradients, subject)
        st.header(as_text(subject.label))
        st.text(f"Loss {found.loss_nats:.3f} nats, {visible_answer(subject)}")
        sizes = [plain(value) for value in found.log10_norms.tolist()]
        values = np.nan_to_num(found.log10_norms, nan=high, posinf=high, neginf=low)
        _say_lost(subject, found.log10_norms)
        st.html(text_html(found.tokens, values, Scale(low, high, False), told=sizes, unknown=_unknown(subject)))


def _integrated(choice: Choice) -> None:
    """Colour each token by what it adds to the answer's log-probability."""
    found: list[tuple[Subject, Attribution]] = []
    seconds = [integrated_seconds(subject, POINTS) for subject in choice.subjects]
    for subject, long in zip(choice.subjects, seconds, strict=True):
        with st.spinner("Integrating \u2026"):
            result = session.asked(
                integrated_gradients, subject, long, sum(s for s in seconds if s <= long), points=POINTS
            )
        if result is not None:
            found.append((subject, result))
    if not found:
        return
    finite = [float(np.abs(r.values[np.isfinite(r.values)]).max(initial=0.0)) for _, r in found]
    most = max(*finite, 1e-12)
    st.caption(
        "Each token is coloured by what it adds to the log-probability of the answer (integrated gradients, from zero "
        "vectors to the tokens' own): red speaks for the answer, blue against it, white does not matter. The scale is "
        f"the same for all networks, from \u2212{most:.3g} to {most:.3g} nats."
    )
    for subject, result in found:
        st.header(as_text(subject.label))
        st.text(
            f"{visible_answer(subject)}: log-probability {result.log_probability:.3f}, without the text "
            f"{result.without:.3f} nats. The tokens sum to the difference up to {abs(result.gap):.1e} nats."
        )
        _say_lost(subject, result.values)
        if abs(result.gap) > 0.05 * max(abs(result.log_probability - result.without), 1e-9):
            st.warning(
                f"{as_text(subject.label)}: the sum misses {abs(result.gap):.2g} nats, so these values cannot be "
                "trusted: the network bends too sharply along the path."
            )
        told = [f"{value:+.4f} nats" for value in result.values.tolist()]
        st.html(
            text_html(
                result.tokens,
                np.nan_to_num(result.values),
                Scale(-most, most, False),
                told=told,
                unknown=_unknown(subject),
            )
        )


def _unknown(subject: Subject) -> tuple[bool, ...] | None:
    """Tell which of the tokens read are outside the vocabulary."""
    return subject.unknown[: subject.steps] or None


def _say_lost(subject: Subject, values: np.ndarray) -> None:
    """Name what is no number: it has no colour of its own."""
    if lost := int((np.isnan(values) | np.isposinf(values)).sum()):
        st.warning(f"{as_text(subject.label)}: {lost} of {len(values)} values are no numbers: something overflowed.")


def _triangles(choice: Choice) -> None:
    """A heatmap a network, all on the same colours."""
    state, symbol = pick_state()
    each = [-(-subject.steps // _MOST_CELLS) for subject in choice.subjects]
    seconds = [triangle_seconds(subject, every) for subject, every in zip(choice.subjects, each, strict=True)]
    drawn = False
    for subject, every, long in zip(choice.subjects, each, seconds, strict=True):
        if state not in CELLS[subject.config.cell_type].states:
            continue
        drawn = True
        found: GradientTriangle | None = session.asked(
            gradient_triangle, subject, long, sum(s for s in seconds if s <= long), every=every
        )
        if found is None:
            continue
        sources = found.positions
        title = f"{subject.label}: every loss, every earlier state"
        subtitle = f"\u2016\u2202 loss\u209b / \u2202 {symbol}\u209c\u2016, top layer" + (
            f"; every {every}th step is shown" if every > 1 else ""
        )
        chart = triangle_chart(
            found.log10_norms[state][:, sources], found.positions, sources, found.tokens, title, subtitle
        )
        st.altair_chart(chart, width="stretch")
    if not drawn:
        say_without(state)
    st.caption(
        "Each row is one loss, each column one state; the diagonal is the loss's own step. Look how wide the red band "
        "along the diagonal is: that is how far back anything can be learned. The colours are absolute and the same "
        "for all networks; a 0 is exactly zero, an ! infinite or not a number."
    )


def visible_answer(subject: Subject) -> str:
    """Say what the loss is about, white space made visible."""
    if subject.config.task == "language_model":
        strange = ", outside the vocabulary and counted as unknown" if subject.unknown and subject.unknown[-1] else ""
        return f"answer: the next character, \u201c{visible(subject.tokens[-1])}\u201d{strange}"
    return "answer: the class found likeliest"
