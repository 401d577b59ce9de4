"""Pictures: fixed scales, escaped text, and what the charts say."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.analysis.units import rank_by_persistence
from rnnviz.charts.palette import HEX, INK, TABLE, Scale, scale_of
from rnnviz.charts.text import as_text, text_html, visible
from tests.conftest import STRANGE_TEXTS


def test_scales_are_the_signals_known_range() -> None:
    assert scale_of("hidden", "lstm") == Scale(-1, 1, False)
    assert scale_of("forget_gate", "lstm") == Scale(0, 1, False)
    assert scale_of("update_gate_backward", "gru") == Scale(0, 1, False)
    assert scale_of("cell", "lstm") == scale_of("hidden", "residual") == scale_of("hidden", "rnn_relu")
    assert scale_of("cell", "lstm").squashed
    assert scale_of("candidate", "residual") == Scale(-1, 1, False)
    assert scale_of("hidden", "rnn_sigmoid") == Scale(0, 1, False)


def test_shades_are_symmetric_and_never_rescaled() -> None:
    values = np.array([-1.0, -0.1, 0.0, 0.1, 1.0])
    shades = scale_of("hidden", "lstm").shade(values)
    assert shades[0] == 0
    assert shades[-1] == 255
    assert abs(int(shades[1]) + int(shades[3]) - 255) <= 1
    assert scale_of("cell", "lstm").shade(np.array([3000.0, -3000.0])).tolist() == [255, 0]
    blue, middle, red = TABLE[0], TABLE[128], TABLE[255]
    assert blue[2] > blue[0]
    assert red[0] > red[2]
    assert min(middle) > 230
    assert len(HEX) == 256


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@given(st.text(min_size=1, max_size=40))
def test_text_is_text(text: str) -> None:
    parser = _Tags()
    parser.feed(text_html(list(text), np.linspace(-1, 1, len(text)), Scale(-1, 1, False)))
    assert parser.seen <= {"style", "div", "span", "b"}
    shown = "".join(parser.text).split("</style>")[-1]
    assert all(visible(c) in shown for c in text)


def test_markup_is_escaped() -> None:
    html = text_html(list(STRANGE_TEXTS["markup"]), np.zeros(len(STRANGE_TEXTS["markup"])), Scale(-1, 1, False))
    assert "<script" not in html
    assert "<img" not in html
    words = text_html(["<script>alert(1)</script>"], np.zeros(1), Scale(0, 1, False), unknown=[True])
    assert "&lt;script&gt;" in words
    assert "<script" not in words
    assert "outside the vocabulary" in words


def test_values_are_in_the_tooltips_and_letters_can_be_read() -> None:
    html = text_html(["a", "b"], np.array([-1.0, 0.25]), Scale(-1, 1, False), first=7)
    assert "a at 7: -1.0000" in html
    assert "b at 8: 0.2500" in html
    for shade in range(256):
        ink = {"#fff": 1.05, "#000": 0.05}[INK[shade]]
        linear = np.where(TABLE[shade] <= 10, TABLE[shade] / 255 / 12.92, ((TABLE[shade] / 255 + 0.055) / 1.055) ** 2.4)
        paper = float(linear @ [0.2126, 0.7152, 0.0722]) + 0.05
        assert max(ink, paper) / min(ink, paper) >= 4.5, shade


def test_names_are_text_in_markdown_too() -> None:
    for name in ("![x](http://example.org)", ":red[loud]", "*a* _b_ `c` $d$ <b>", "# head", "a-b"):
        shown = as_text(name)
        assert shown.replace("\\", "") == name
        assert not re.search(r"(?<!\\)[*_`$\[\]()<>#!:]", shown)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="time=1"):
        text_html(["a"], np.zeros(2), Scale(-1, 1, False))


def test_units_that_hold_rank_before_those_that_flip_or_rest() -> None:
    time = np.arange(40)
    held = np.where(time // 10 % 2, 1.0, -1.0)
    flips = np.where(time % 2, 1.0, -1.0)
    still = np.zeros(40)
    assert rank_by_persistence(np.stack([flips, still, held], axis=1)).tolist() == [2, 1, 0]
    assert rank_by_persistence(np.array([[0.1, -0.9]])).tolist() == [1, 0]
