"""All units by time on a canvas, with values on hover and a click that chooses a unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import streamlit as st

from rnnviz.charts.palette import TABLE, Scale
from rnnviz.charts.text import visible

_HERE = Path(__file__).parent


@cache
def _component() -> Callable[..., object]:
    """Register once, and only inside a running server."""
    return st.components.v2.component(
        "rnnviz_heatmap",
        html='<div class="rv-heat"></div>',
        css=(_HERE / "heatmap.css").read_text(encoding="utf-8"),
        js=(_HERE / "heatmap.js").read_text(encoding="utf-8"),
    )


def heatmap(
    values: np.ndarray,
    tokens: Sequence[str],
    scale: Scale,
    *,
    title: str,
    unit: int,
    key: str,
    on_unit: Callable[[], None],
) -> None:
    """Draw one signal of one layer: units down, time across.

    Args:
        values: float (time, unit).
        tokens: (time,).
        scale: The signal's colour scale.
        title: What is drawn.
        unit: The chosen unit, framed.
        key: The component's key; a clicked unit is in `st.session_state[key]["unit"]`.
        on_unit: Called when a unit is clicked.
    """
    shades = np.ascontiguousarray(scale.shade(values).T)
    exact = np.ascontiguousarray(values.T, dtype=np.float32) if scale.squashed else np.empty(0, np.float32)
    data = {
        "exact": pa.table({"b": exact.ravel()}),
        "shades": pa.table({"b": shades.ravel()}),
        "palette": TABLE.tolist(),
        "units": shades.shape[0],
        "times": shades.shape[1],
        "tokens": [visible(token) for token in tokens],
        "low": scale.low,
        "high": scale.high,
        "squashed": scale.squashed,
        "chosen": unit,
        "title": title,
    }
    _component()(key=key, data=data, on_unit_change=on_unit)
