"""Karpathy's picture as HTML: text coloured by one unit, the likeliest next characters beneath; all text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from rnnviz.charts.palette import HEX, INK, STOPS, Scale

_VISIBLE = {" ": "\u2423", "\n": "\u21b5", "\t": "\u21e5", "\r": "\u240d", "": "\u2205"}
STYLE = """
<style>
.rv-text {display:flex; flex-wrap:wrap; row-gap:10px; font:600 16px/1.35 ui-monospace,"DejaVu Sans Mono",monospace}
.rv-text .rv-break {flex-basis:100%; height:0}
.rv-col {display:flex; flex-direction:column; min-width:1.25ch; text-align:center; unicode-bidi:isolate}
.rv-col > b {padding:1px 2px; font-weight:600; white-space:pre}
.rv-col > i {font:12px/1.3 ui-monospace,"DejaVu Sans Mono",monospace; white-space:pre; color:#111; padding:0 2px}
.rv-word {max-width:100%}
.rv-word > b {padding:1px 6px; margin:0 2px; border-radius:4px; white-space:pre-wrap; overflow-wrap:anywhere}
.rv-unknown {text-decoration:underline wavy 2px; text-underline-offset:3px; outline:1px dashed currentColor}
.rv-legend {display:flex; gap:8px; align-items:center; flex-wrap:wrap; font-size:14px}
.rv-legend span.rv-bar {width:160px; height:14px; display:inline-block; border:1px solid #888}
</style>
"""


def visible(token: str) -> str:
    """Return a token with white space and control characters as signs that can be seen."""
    if token in _VISIBLE:
        return _VISIBLE[token]
    return "".join(c if c.isprintable() else "\ufffd" for c in token)


def text_html(
    tokens: Sequence[str],
    values: np.ndarray,
    scale: Scale,
    *,
    first: int = 0,
    guesses: Sequence[Sequence[tuple[str, float]]] | None = None,
    unknown: Sequence[bool] | None = None,
) -> str:
    """Return the coloured text.

    Args:
        tokens: (time,), characters or words.
        values: (time,), one unit's values; each is in its token's tooltip.
        scale: The signal's colour scale.
        first: Time of the first token, for the tooltips.
        guesses: For each token the likeliest next ones with their probabilities, or None for none beneath.
        unknown: For each token whether the model has never seen it: marked by an outline and a wavy line.

    Returns:
        HTML without a script, every token escaped.

    Raises:
        ValueError: The lengths differ.
    """
    if len(values) != len(tokens):
        raise ValueError(f"values: expected (time={len(tokens)},), got {values.shape}")
    words = any(len(token) > 1 for token in tokens)
    columns = []
    for t, (token, value, shade) in enumerate(zip(tokens, values.tolist(), scale.shade(values).tolist(), strict=True)):
        strange = bool(unknown is not None and unknown[t])
        title = f"{visible(token)} at {first + t}: {value:.4f}{', never seen in training' if strange else ''}"
        mark = ' class="rv-unknown"' if strange else ""
        cell = f'<b{mark} title="{escape(title)}" style="background:{HEX[shade]};color:{INK[shade]}">'
        beneath = "".join(_guess(*guess) for guess in guesses[t]) if guesses is not None else ""
        kind = "rv-col rv-word" if words else "rv-col"
        columns.append(f'<span class="{kind}">{cell}{escape(visible(token))}</b>{beneath}</span>')
        if token == "\n":
            columns.append('<span class="rv-break"></span>')
    return f'{STYLE}<div class="rv-text" dir="ltr">{"".join(columns)}</div>'


def _guess(token: str, probability: float) -> str:
    """One guess, shaded from white to orange by its probability."""
    tone = round(255 - 150 * probability)
    blue = round(255 - 230 * probability)
    title = escape(f"{visible(token)}: {probability:.1%}")
    return f'<i title="{title}" style="background:rgb(255,{tone},{blue})">{escape(visible(token))}</i>'


def top_guesses(probabilities: np.ndarray, vocabulary: Sequence[str], count: int = 5) -> list[list[tuple[str, float]]]:
    """Return, for every time step, the likeliest tokens with their probabilities, likeliest first.

    Args:
        probabilities: (time, output).
        vocabulary: The tokens by id.
        count: How many.
    """
    count = min(count, probabilities.shape[1])
    best = np.argpartition(-probabilities, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(probabilities, best, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    return [
        [(vocabulary[i], float(row[i])) for i in ids] for ids, row in zip(best.tolist(), probabilities, strict=True)
    ]


def legend_html(scale: Scale, signal: str) -> str:
    """Return the colour scale's legend."""
    bar = f'<span class="rv-bar" style="background:linear-gradient(90deg,{",".join(STOPS)})"></span>'
    low, high = (f"{'tanh = ' if scale.squashed else ''}{end:g}" for end in (scale.low, scale.high))
    name = escape(signal.replace("_", " "))
    return f'{STYLE}<div class="rv-legend"><b>{name}</b> {low} {bar} {high} <span>({escape(scale.note)})</span></div>'
