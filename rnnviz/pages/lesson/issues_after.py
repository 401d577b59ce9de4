"""What came after: recurrences that run in parallel, and where LSTMs still work."""

from __future__ import annotations

import math

import streamlit as st

from rnnviz import session
from rnnviz.components.lines import lines
from rnnviz.components.question import ask
from rnnviz.errors import TextError
from rnnviz.lesson.issues_cost import Scan, linear_scan, scan_lines
from rnnviz.lesson.questions import Number
from rnnviz.lesson.references import cite

NUMBERS, FACTOR = "keep_issues_numbers", "keep_issues_factor"
EXAMPLE = "1 2 3 4 5 6 7 8"
_MOST = 32


@st.fragment
@session.guarded
def render() -> None:
    """Draw the section."""
    st.header("What came after")
    st.markdown(
        f"- Transformers ({cite('vaswani2017')}) dropped the recurrence. They train in parallel and reach back in one "
        "step; the price is T\u00b2 products, and a memory of all that was read.\n"
        f"- The recurrence came back without matrices and tanh in the loop, first with gates alone, still step by step "
        f"({cite('bradbury2017')}). Where the next state is *linear* in the last one, $h_t = a_t h_{{t-1}} + x_t$, all "
        f"steps can be done in about log\u2082 T rounds by a scan ({cite('hillis1986', 'blelloch1990', 'martin2018')}) "
        f"or, where a is the same at every step, by a convolution, as the state-space layer S4 is trained "
        f"({cite('gu2022')}). Linear RNNs, later state-space layers ({cite('orvieto2023', 'gu2023')}) and slimmed "
        f"LSTMs and GRUs ({cite('feng2024')}) use the scan; near them lie {cite('peng2023', 'beck2024')}.\n"
        f"- LSTMs still work where a text comes in piece by piece and memory is small: next-word prediction on phones "
        f"({cite('hard2018')}) and speech recognised while it is spoken ({cite('graves2012', 'he2019')}) were built "
        "on them."
    )
    st.write(
        "Here is why linear helps. Two steps of $h_t = a h_{t-1} + x_t$ are one step of the same kind, so neighbours "
        "can be joined before it is known what comes from the left. Your numbers, step by step and in rounds:"
    )
    kept = st.session_state.get(FACTOR)
    if isinstance(kept, bool) or not isinstance(kept, (int, float)) or not -1.5 <= kept <= 1.5:
        st.session_state[FACTOR] = 1.0
    st.session_state[FACTOR] = float(st.session_state[FACTOR])
    one, two = st.columns([3, 1])
    typed = one.text_input("Inputs x, numbers", key=session.typed(NUMBERS, EXAMPLE), disabled=session.frozen("text"))
    factor = two.number_input("Weight a", -1.5, 1.5, step=0.05, key=FACTOR)
    inputs = _numbers(typed)
    _show(linear_scan(factor, inputs), factor, inputs)


def _numbers(typed: str) -> list[float]:
    """Read numbers.

    Raises:
        TextError: There are too few or too many, or something else is among them.
    """
    parts = typed.replace(",", " ").replace(";", " ").split()
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 2 <= len(numbers) <= _MOST or not all(math.isfinite(n) and abs(n) <= 1e6 for n in numbers):
        raise TextError(f"Type 2 to {_MOST} numbers between -1,000,000 and 1,000,000, with spaces between them.")
    return numbers


def _show(found: Scan, factor: float, inputs: list[float]) -> None:
    rounds = len(found.rounds) - 1
    ask(
        Number(
            "issues-rounds",
            f"You have {len(inputs)} inputs, and the loop takes {len(inputs)} steps. In each round of the scan every "
            "number reaches twice as far back. After how many rounds has the last reached the first?",
            rf"$\lceil \log_2 T \rceil$ with T = {len(inputs)}. For a million steps it is 20. The work grows, but "
            "nothing waits except from round to round. With tanh around the sum two steps can no longer be joined to "
            "one: that is what keeps RNNs, LSTMs and GRUs in their loop.",
            float(rounds),
            unit="rounds" if rounds > 1 else "round",
        )
    )
    names = ["inputs x", *(f"after round {i}" for i in range(1, rounds + 1)), "the loop\u2019s h_t"]
    table: dict[str, list] = {"t": [t + 1 for t in range(len(inputs))]}
    for name, column in zip(names, (*found.rounds, found.loop), strict=True):
        table[name] = [f"{value:.4g}" for value in column]
    st.dataframe(table, hide_index=True, width="stretch", height="content")
    st.caption(
        f"Look at the last two columns: they agree, the largest difference is {found.gap:.1e}. With a = 1 it is the "
        "running sum of [Unrolling](/unrolling)."
    )
    lines(
        *scan_lines(factor, inputs),
        note="Both print h_t twice: by the loop, then by rounds. Keras has the scan ready made.",
    )
