"""Range sliders that answer while they are moved; Streamlit's own wait until the hand rests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import streamlit as st

from rnnviz.browser import bundle, style


@dataclass(frozen=True)
class Knob:
    """One slider.

    Attributes:
        name: Its key among the values.
        label: What people read.
        low: The least value.
        high: The greatest value; the slider reaches it even where it is no whole number of steps away.
        step: From one value to the next; where `logarithmic`, of the value's decimal logarithm.
        start: The first value, and the one that "Reset" goes back to.
        logarithmic: Equal ways on the slider are equal factors; `low` must then be above zero.
        unit: Shown after the value.
        help: One sentence, shown under the slider.

    Raises:
        ValueError: The numbers are not finite, not in order, or the step is not above zero.
    """

    name: str
    label: str
    low: float
    high: float
    step: float
    start: float
    logarithmic: bool = False
    unit: str = ""
    help: str = ""

    def __post_init__(self) -> None:
        for field in ("low", "high", "step", "start"):
            object.__setattr__(self, field, float(getattr(self, field)))
        if not all(map(math.isfinite, (self.low, self.high, self.step, self.start))):
            raise ValueError(f"{self.name}: low, high, step and start must be finite, got {self}")
        if not self.low <= self.start <= self.high or self.low == self.high:
            raise ValueError(f"{self.name}: expected low <= start <= high and low < high, got {self}")
        if self.step <= 0:
            raise ValueError(f"{self.name}: step must be above zero, got {self.step}")
        if self.logarithmic and self.low <= 0:
            raise ValueError(f"{self.name}: low must be above zero on a logarithmic slider, got {self.low}")

    def clamped(self, value: object) -> float:
        """Return a value within low and high, and `start` for what is no finite number."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return self.start
        try:
            number = float(value)
        except OverflowError:
            return self.start
        return min(max(number, self.low), self.high) if math.isfinite(number) else self.start


def knobs(settings: Sequence[Knob], *, key: str, frozen: bool = False) -> dict[str, float]:
    """Mount a row of sliders and return each one's value now.

    Mount it inside a fragment: what the fragment draws below is then finished before the next values are taken, however
    fast they come. Values stay in `st.session_state[f"keep_{key}"]`, a dictionary from name to value; what is put there
    before this call is what the browser shows. It also keeps the values of sliders that are not shown for now.

    Args:
        settings: The sliders, in order; they may change from run to run, and those that stay keep their values.
        key: The component's key.
        frozen: Whether the sliders stand still, as a teacher's link has them.

    Returns:
        Name -> value, within the slider's low and high, in the order of `settings`.

    Raises:
        ValueError: Two sliders have the same name.
    """
    if len({knob.name for knob in settings}) < len(settings):
        raise ValueError(f"names of knobs must differ, got {[knob.name for knob in settings]}")
    kept, moved, count = _heard(key)
    latest = kept if frozen else {**kept, **moved}
    values = {knob.name: knob.clamped(latest.get(knob.name, knob.start)) for knob in settings}
    st.session_state[f"keep_{key}"] = {**kept, **values}
    st.session_state[f"{key}_count"] = count
    shown = {"knobs": [asdict(knob) for knob in settings], "values": values, "heard": count, "frozen": frozen}
    _component()(key=key, data=shown)
    return values


def _heard(key: str) -> tuple[Mapping, Mapping, int]:
    """Return the values kept so far, those of the browser's newest message where it is news, and its number."""
    kept = st.session_state.get(f"keep_{key}")
    kept = kept if isinstance(kept, Mapping) else {}
    count = st.session_state.get(f"{key}_count", 0)
    state = st.session_state.get(key)
    message = state.get("moved") if isinstance(state, Mapping) else None
    if not isinstance(message, Mapping) or type(message.get("count")) is not int or message["count"] == count:
        return kept, {}, count
    moved = message.get("values")
    return kept, moved if isinstance(moved, Mapping) else {}, message["count"]


@cache
def _component() -> Callable[..., object]:
    """Register once, and only inside a running server."""
    return st.components.v2.component(
        "rnnviz_knobs", html='<div class="rv-knobs"></div>', css=style("knobs.css"), js=bundle("knobs.js")
    )
