"""One colour scale for every signal: blue low, red high, fixed to the signal's known range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnviz.analysis.saturation import GATES

# ColorBrewer's RdBu, nine classes, reversed (Brewer 2003): told apart with every common colour vision deficiency.
STOPS = ("#2166ac", "#4393c3", "#92c5de", "#d1e5f0", "#f7f7f7", "#fddbc7", "#f4a582", "#d6604d", "#b2182b")
# Okabe and Ito 2008, the blue a little lighter for dark pages; each line has a dash pattern of its own beside it.
LINES = ("#1e88c9", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
DASHES = ([1, 0], [8, 4], [2, 3], [12, 3, 3, 3], [4, 2], [14, 6])

_STEPS = 256
_CODES = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in STOPS], dtype=float)
_GRID = np.linspace(0, len(STOPS) - 1, _STEPS)
TABLE = np.stack([np.interp(_GRID, np.arange(len(STOPS)), _CODES[:, i]) for i in range(3)], axis=1).round().astype(int)
HEX = tuple("#{:02x}{:02x}{:02x}".format(*row) for row in TABLE.tolist())


def _luminance(rgb: np.ndarray) -> np.ndarray:
    """Relative luminance of 0-255 colours (W3C, WCAG 2.1)."""
    share = rgb / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


_WHITE_READS_BETTER = 1.05 / (_luminance(TABLE) + 0.05) > (_luminance(TABLE) + 0.05) / 0.05
INK = tuple("#fff" if white else "#000" for white in _WHITE_READS_BETTER.tolist())
"""The letters' colour on each of `HEX`: a contrast of at least 4.5 : 1 everywhere."""


@dataclass(frozen=True)
class Scale:
    """How a signal's values become colours: its fixed ends, and whether tanh is taken first."""

    low: float
    high: float
    squashed: bool

    def shade(self, values: np.ndarray) -> np.ndarray:
        """Return each value's place on the scale, uint8, 0 lowest, 255 highest; the shape stays."""
        seen = np.tanh(values) if self.squashed else values
        return np.round((np.clip(seen, self.low, self.high) - self.low) / (self.high - self.low) * 255).astype(np.uint8)

    @property
    def note(self) -> str:
        """One line for the legend."""
        if self.squashed:
            return "colour: tanh of the value, since it has no bound; numbers: the value itself"
        return f"colour: the value, from {self.low:g} to {self.high:g}"


def scale_of(signal: str, cell_type: str) -> Scale:
    """Return the scale of a signal by its name and cell.

    Gates and the hidden states of a sigmoid cell lie in (0, 1); candidates and the hidden states of tanh, LSTM and GRU
    cells in (-1, 1). A cell state, and the hidden state of a ReLU or residual cell, has no bound: it is coloured as its
    tanh.
    """
    name = signal.removesuffix("_backward")
    if name in GATES or (name == "hidden" and cell_type == "rnn_sigmoid"):
        return Scale(0.0, 1.0, False)
    unbounded = name == "cell" or (name == "hidden" and cell_type in ("rnn_relu", "residual"))
    return Scale(-1.0, 1.0, unbounded)
