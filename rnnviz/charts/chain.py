"""Small charts beside unrolled loops: outputs over steps, and how two runs come together."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import numpy as np
import pandas as pd

from rnnviz.charts.lines import styled
from rnnviz.charts.palette import LINES

_FLOOR = 1e-17


def trace_chart(values: np.ndarray) -> alt.Chart:
    """Draw one number over steps, small, for a choice of pictures.

    Args:
        values: (time,).
    """
    data = pd.DataFrame({"step": np.arange(1, len(values) + 1), "output": values})
    chart = alt.Chart(data, title="Output over steps").mark_line(point=True, color=LINES[0], strokeWidth=2.5)
    return chart.encode(
        x=alt.X("step:Q", title="step t", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("output:Q", title="output"),
        tooltip=["step", alt.Tooltip("output:Q", format=".4g")],
    ).properties(height=200)


def apart_chart(runs: Mapping[str, np.ndarray]) -> alt.Chart:
    """Draw how far states are from those of a reference, over steps, on a logarithmic axis.

    Args:
        runs: Name -> (time + 1,) distances; what is below 1e-17 is drawn there.
    """
    frames = [
        pd.DataFrame(
            {"network": name, "step": np.arange(len(apart)), "apart": np.maximum(apart, _FLOOR), "true": apart}
        )
        for name, apart in runs.items()
    ]
    axis = alt.Axis(format="e", tickCount=6)
    chart = alt.Chart(pd.concat(frames), title="Distance of the states from those that start at zero")
    chart = chart.mark_line(point=True, strokeWidth=2.5).encode(
        x=alt.X("step:Q", title="step t", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("apart:Q", title="distance (log scale)", scale=alt.Scale(type="log"), axis=axis),
        tooltip=["network", "step", alt.Tooltip("true:Q", format=".3e", title="distance")],
        **styled(list(runs), "start"),
    )
    return chart.properties(height=300)
