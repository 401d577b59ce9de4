"""A text coloured by one value a token, as HTML; all text is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

import numpy as np

from rnnviz.charts.palette import HEX, INK, Scale

_VISIBLE = {" ": "\u2423", "\n": "\u21b5", "\t": "\u21e5", "\r": "\u240d", "": "\u2205"}
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()#+!|:$<>~&-]")
STYLE = """
<style>
.rv-text {display:flex; flex-wrap:wrap; row-gap:10px; font:600 16px/1.35 ui-monospace,"DejaVu Sans Mono",monospace}
.rv-text .rv-break {flex-basis:100%; height:0}
.rv-col {display:flex; flex-direction:column; min-width:1.25ch; text-align:center; unicode-bidi:isolate}
.rv-col > b {padding:1px 2px; font-weight:600; white-space:pre}
.rv-word {max-width:100%}
.rv-word > b {padding:1px 6px; margin:0 2px; border-radius:4px; white-space:pre-wrap; overflow-wrap:anywhere}
.rv-unknown {text-decoration:underline wavy 2px; text-underline-offset:3px; outline:1px dashed currentColor}
</style>
"""


def as_text(name: str) -> str:
    """Return a name so that Markdown shows it as it is."""
    return _MARKDOWN.sub(r"\\\g<0>", name)


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
    unknown: Sequence[bool] | None = None,
    told: Sequence[str] | None = None,
) -> str:
    """Return the coloured text.

    Args:
        tokens: (time,), characters or words.
        values: (time,), one unit's values; each is in its token's tooltip.
        scale: The signal's colour scale.
        first: Time of the first token, for the tooltips.
        told: (time,), the value as each tooltip gives it; None for four decimals.
        unknown: For each token whether it is outside the model's vocabulary: marked by an outline and a wavy line.

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
        number = f"{value:.4f}" if told is None else told[t]
        title = f"{visible(token)} at {first + t}: {number}{', outside the vocabulary' if strange else ''}"
        mark = ' class="rv-unknown"' if strange else ""
        cell = f'<b{mark} title="{escape(title)}" style="background:{HEX[shade]};color:{INK[shade]}">'
        kind = "rv-col rv-word" if words else "rv-col"
        columns.append(f'<span class="{kind}">{cell}{escape(visible(token))}</b></span>')
        if token == "\n":
            columns.append('<span class="rv-break"></span>')
    return f'{STYLE}<div class="rv-text" dir="ltr">{"".join(columns)}</div>'
