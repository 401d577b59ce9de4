"""The formulas of every cell in TeX: as symbols, and with one unit's numbers put in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def _sum(gate: str) -> str:
    return rf"W_{{x{gate}}}\,x_t + W_{{h{gate}}}\,h_{{t-1}} + b_{gate}"


_RZ = rf"r_t &= \sigma({_sum('r')}) \\ z_t &= \sigma({_sum('z')}) \\ "
_MIX = r"h_t &= z_t \odot h_{t-1} + (1-z_t) \odot n_t"
SYMBOLS = {
    "rnn_tanh": r"h_t &= \tanh(W_x\,x_t + W_h\,h_{t-1} + b)",
    "rnn_relu": r"h_t &= \max(0,\; W_x\,x_t + W_h\,h_{t-1} + b)",
    "rnn_sigmoid": r"h_t &= \sigma(W_x\,x_t + W_h\,h_{t-1} + b)",
    "residual": r"n_t &= \tanh(W_x\,x_t + W_s\,s_{t-1} + b) \\ s_t &= s_{t-1} + n_t",
    "lstm": rf"i_t &= \sigma({_sum('i')}) \\ f_t &= \sigma({_sum('f')}) \\ g_t &= \tanh({_sum('g')}) \\ "
    rf"o_t &= \sigma({_sum('o')}) \\ c_t &= f_t \odot c_{{t-1}} + i_t \odot g_t \\ h_t &= o_t \odot \tanh(c_t)",
    "gru": _RZ + r"n_t &= \tanh\bigl(W_{xn}\,x_t + b_n + r_t \odot (W_{hn}\,h_{t-1} + b_{hn})\bigr) \\ " + _MIX,
    "gru_textbook": _RZ + r"n_t &= \tanh\bigl(W_{xn}\,x_t + W_{hn}\,(r_t \odot h_{t-1}) + b_n\bigr) \\ " + _MIX,
}
NOTES_GRU = (
    r"r_t &= \sigma(W_r\,[s_{t-1}, x_t] + b_r) \\ z_t &= \sigma(W_z\,[s_{t-1}, x_t] + b_z) \\ "
    r"n_t &= \tanh(W\,[r_t \odot s_{t-1}, x_t] + b) \\ s_t &= z_t \odot n_t + (1-z_t) \odot s_{t-1}"
)
"""The GRU as the notes write it: z writes."""


def formula(cell_type: str) -> str:
    """Return a cell's equations as symbols, aligned."""
    return rf"\small\begin{{aligned}}{SYMBOLS[cell_type]}\end{{aligned}}"


def put(value: float, digits: int = 4) -> str:
    """Write a number for TeX; what is negative has its sign."""
    text = f"{value:z.{digits}f}" if abs(value) < 1e5 else f"{value:.3e}"
    if "e" in text:
        base, power = text.split("e")
        return rf"{base}\cdot 10^{{{int(power)}}}"
    if digits > 2 and "." in text and float(text) == round(value, 2) and value == round(value, 2):
        return f"{value:z.10g}"
    return text


def bracketed(value: float, digits: int = 4) -> str:
    """Write a number that follows a sign of its own: in brackets where it is negative."""
    text = put(value, digits)
    return f"({text})" if text.startswith("-") else text


def products(weights: Sequence[float], values: Sequence[float]) -> str:
    """Write a sum of products with all its numbers."""
    return " + ".join(rf"{bracketed(w)}\cdot {bracketed(v)}" for w, v in zip(weights, values, strict=True))


def gate_numbers(
    sign: str,
    function: str,
    new: tuple[Sequence[float], Sequence[float]],
    old: tuple[Sequence[float], Sequence[float], float | None, float],
    totals: tuple[float, float, float, float, float],
    state: str = "h",
) -> str:
    """Return one gate of one unit with its numbers put in, line by line, to be aligned.

    Args:
        sign: The gate and unit, as in "f_1".
        function: "sigmoid", "tanh" or "relu".
        new: The row of W_x and the input.
        old: The row of W_h, what it multiplies, and for PyTorch's GRU the reset gate and b_hn, else None and 0.
        totals: From the input, from the state, bias, sum and value.
        state: The state's letter.
    """
    from_input, from_hidden, bias, pre, value = totals
    name = {"sigmoid": r"\sigma", "tanh": r"\tanh", "relu": r"\mathrm{ReLU}"}[function]
    inner = products(old[0], old[1])
    if old[2] is not None:
        inner = rf"{put(old[2])}\cdot\bigl({inner} + {bracketed(old[3])}\bigr)"
    head = rf"r\,(W_h {state} + b_{{hn}})" if old[2] is not None else rf"W_h {state}"
    parts = " + ".join(bracketed(part) if i else put(part) for i, part in enumerate((from_input, from_hidden, bias)))
    return (
        rf"W_x x &= {products(*new)} = {put(from_input)}\\"
        rf"{head} &= {inner} = {put(from_hidden)}\\"
        rf"{sign} &= {name}({parts}) \\ &= {name}({put(pre)}) = {put(value)}"
    )


def outcome(cell_type: str, unit: int, gates: dict[str, float], old: dict[str, float], new: dict[str, float]) -> str:
    """Return the update of one unit with its numbers put in, to be aligned; "" for a cell whose gate is its state.

    Args:
        cell_type: The cell.
        unit: From 0.
        gates: The unit's gates by name.
        old: Its states before.
        new: Its states after.
    """
    g = {name: bracketed(value) for name, value in gates.items()}
    u = unit + 1
    if cell_type == "lstm":
        return (
            rf"c_{u} &= "
            rf"\underbrace{{{g['forget_gate']}\cdot {bracketed(old['cell'])}}}_{{\text{{kept}}}}"
            rf" + \underbrace{{{g['input_gate']}\cdot {g['candidate']}}}_{{\text{{written}}}} = {put(new['cell'])}\\"
            rf"h_{u} &= {g['output_gate']}\cdot\tanh({put(new['cell'])}) = {put(new['hidden'])}"
        )
    if cell_type in ("gru", "gru_textbook"):
        z = gates["update_gate"]
        return (
            rf"h_{u} &= \underbrace{{{put(z)}\cdot {bracketed(old['hidden'])}}}_{{\text{{kept}}}}"
            rf" + \underbrace{{{put(1 - z)}\cdot {g['candidate']}}}_{{\text{{written}}}} = {put(new['hidden'])}"
        )
    if cell_type == "residual":
        return (
            rf"s_{u} &= \underbrace{{{put(old['hidden'])}}}_{{\text{{kept}}}}"
            rf" + \underbrace{{{g['candidate']}}}_{{\text{{written}}}} = {put(new['hidden'])}"
        )
    return ""


def keeping(unit: int, total: float, reset: float, candidate: float, old: float, new: float) -> str:
    """Return one unit's step of the textbook's GRU with its numbers, to be aligned: an open z keeps.

    Args:
        unit: From 0.
        total: What the update gate sums up, a.
        reset: r.
        candidate: n.
        old: The state before.
        new: The state after.
    """
    z, u = _open(total), unit + 1
    return (
        rf"{_same(u, reset, candidate)}\\ z_{u} &= \sigma({put(total)}) = {put(z)}\\"
        rf"h_{u} &= \underbrace{{{put(z)}\cdot {bracketed(old)}}}_{{\text{{kept}}}}"
        rf" + \underbrace{{{put(1 - z)}\cdot {bracketed(candidate)}}}_{{\text{{written}}}}\\ &= {put(new)}"
    )


def writing(unit: int, total: float, reset: float, candidate: float, old: float, new: float) -> str:
    """Return the same step as the notes write it; an open z writes. Arguments as for `keeping`."""
    z, u = _open(-total), unit + 1
    return (
        rf"{_same(u, reset, candidate)}\\ z_{u} &= \sigma({put(-total)}) = {put(z)}\\"
        rf"s_{u} &= \underbrace{{{put(z)}\cdot {bracketed(candidate)}}}_{{\text{{written}}}}"
        rf" + \underbrace{{{put(1 - z)}\cdot {bracketed(old)}}}_{{\text{{kept}}}}\\ &= {put(new)}"
    )


def _open(total: float) -> float:
    """A gate by its sum, without overflow."""
    return 0.5 * (1 + np.tanh(total / 2))


def _same(unit: int, reset: float, candidate: float) -> str:
    """What both forms have in common."""
    return rf"r_{unit} &= {put(reset)},\quad n_{unit} = {put(candidate)}"


def together(parts: Sequence[str]) -> str:
    """Return several pieces of a calculation as one, aligned, with room between them."""
    return r"\small\begin{aligned}" + r"\\[8pt]".join(parts) + r"\end{aligned}"


def matrix(values: np.ndarray, digits: int = 2) -> str:
    """Return a matrix or column, (row, column) or (row,), with its numbers."""
    rows = values[:, None] if values.ndim == 1 else values
    lines = r"\\".join(" & ".join(put(float(v), digits) for v in row) for row in rows)
    return rf"\begin{{bmatrix}}{lines}\end{{bmatrix}}"
