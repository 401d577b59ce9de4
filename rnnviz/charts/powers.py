"""Sizes that leave the range of any float: written, and drawn by their base-10 logarithms on a linear axis."""

from __future__ import annotations

import math

import altair as alt

_SUPERSCRIPTS = {**dict(zip("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True)), "−": "⁻"}


def plain(log10_size: float, sign: int = 1) -> str:
    """Return a number given by its sign and its logarithm as text, three digits: "0.00515", "-1.30e-400", "0"."""
    if math.isnan(log10_size):
        return "not a number"
    if sign == 0 or log10_size == -math.inf:
        return "0"
    minus = "-" if sign < 0 else ""
    if log10_size == math.inf:
        return f"{minus}infinite"
    if -4 <= log10_size < 6:
        size = 10**log10_size
        return f"{minus}{size:,.0f}" if size >= 999.5 else f"{minus}{size:.3g}"
    digits, exponent = _scientific(log10_size)
    return f"{minus}{digits}e{exponent:+03d}"


def tex(log10_size: float, sign: int = 1) -> str:
    r"""Return the same in TeX: "1.30\cdot 10^{-400}"."""
    text = plain(log10_size, sign).replace(",", "{,}")
    digits, e, exponent = text.partition("e")
    return rf"{digits}\cdot 10^{{{int(exponent)}}}" if e else digits


def _scientific(log10_size: float) -> tuple[str, int]:
    """Split into digits "1.30" and an exponent; rounding up to 10.0 moves the exponent."""
    exponent = math.floor(log10_size)
    digits = f"{10 ** (log10_size - exponent):.2f}"
    return ("1.00", exponent + 1) if digits == "10.00" else (digits, exponent)


def power_axis() -> alt.Axis:
    """Return an axis whose ticks, logarithms, are written as powers of ten."""
    return alt.Axis(tickMinStep=1, labelExpr=power_label())


def power_label() -> str:
    """Return a Vega expression that writes a tick's value n as 10 to the n."""
    label = "format(datum.value, 'd')"
    for digit, small in _SUPERSCRIPTS.items():
        label = f"replace({label}, regexp('{digit}', 'g'), '{small}')"
    return f"datum.value === 0 ? '1' : '10' + {label}"


def power_of_ten(exponent: int) -> str:
    """Write a power of ten: -8 gives "10\u207b\u2078"."""
    digits = str(exponent).replace("-", "\u2212")
    return "10" + "".join(_SUPERSCRIPTS[digit] for digit in digits) if exponent else "1"


def filled() -> alt.Fill:
    """Return the fill of marks that carry their line's colour in the column "colour"; the lines have the legend."""
    return alt.Fill("colour:N", scale=None)
