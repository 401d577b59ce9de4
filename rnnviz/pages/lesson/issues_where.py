"""Where in the app each idea of the lesson is found."""

from __future__ import annotations

import streamlit as st

_ORDER, _SHAPES, _LOOP = "[Order matters](/order)", "[One API, many shapes](/shapes)", "[Unrolling](/unrolling)"
_CELL, _WORDS, _BATCHES = "[Inside the cell](/cell)", "[Words to numbers](/words)", "[Ragged batches](/batches)"
_TRAINING, _ISSUES, _GRADIENTS = "[Training by steps](/training)", "[Open issues](/issues)", "[Gradients](/gradients)"
_REVIEWS, _NEURONS = "[Sentiment](/sentiment)", "[Neurons](/neurons)"

PLACES: dict[str, tuple[tuple[str, str], ...]] = {
    "Sequences": (
        ("A sequence has an order; another permutation is another sequence: words, prices, rows of pixels", _ORDER),
        ("A bag of words cannot tell two orders apart; a feed-forward net on padded words has no time", _ORDER),
        ("Two texts of the same words under a trained network", f"{_ORDER}, {_REVIEWS} (Two texts)"),
        ("y_t from all of x_1 \u2026 x_t directly, or through a state h_t", f"{_ORDER}, {_LOOP}"),
        ("The state as a memory of fixed length and a feature vector for any classifier", f"{_LOOP}, {_REVIEWS}"),
    ),
    "The API": (
        ("The loop in pseudo-code, drawn as a cycle and as a chain; weights shared over time", _LOOP),
        (
            "scan: a function of state and input folded over a sequence, first of all a running sum",
            f"{_LOOP}, {_ISSUES}",
        ),
        ("Many to one, one to many, many to many aligned and by encoder and decoder", _SHAPES),
        ("return_sequences, return_state; the shape (batch, time steps, features) at every arrow", _SHAPES),
        ("Stacked layers, bidirectional layers: left and right context for each element", f"{_SHAPES}, {_REVIEWS}"),
        ("initial_state zero or learned, go_backwards, stateful", _CELL),
        ("unroll: the loop written out", _LOOP),
        ("dropout and recurrent_dropout", _CELL),
        ("One step at a time, as in live typing", f"{_LOOP}, {_NEURONS}"),
        ("Keras\u2019 defaults: tanh, Glorot and orthogonal weights, zero bias", f"{_CELL}, {_GRADIENTS}"),
    ),
    "The cell": (
        ("h_t = tanh(W_xh x_t + W_hh h_{t-1} + b) and y_t; one stacked matrix or two", _CELL),
        ("What to keep of the old, what to take in of the new: gates as sigmoids that multiply", _CELL),
        ("LSTM: two states, three gates; GRU in the notes\u2019 form and in PyTorch\u2019s", _CELL),
        ("ReLU in place of tanh, and the residual form", f"{_CELL}, {_GRADIENTS}"),
        ("Every number of one unit at one step", f"{_CELL}, {_NEURONS}"),
    ),
    "Words to numbers": (
        ("Vocabulary by frequency, unknown words and padding; a sentence as a row of ids", _WORDS),
        ("TextVectorization with its options; one-hot of length |V|", _WORDS),
        ("Embedding: a product that is a row look-up; mask_zero; nearest words", _WORDS),
    ),
    "Sentiment on IMDB": (
        ("The notes\u2019 recipes and how far each gets: feed-forward, SimpleRNN, LSTM", f"{_REVIEWS} (Models)"),
        ("A review becomes a fixed-length code, and a head classifies it", f"{_REVIEWS} (Live, Path)"),
        ("Which word moved the answer", f"{_REVIEWS} (Words)"),
    ),
    "Training": (
        (
            "Back-propagation through time; a weight\u2019s gradient is a sum over steps",
            f"{_TRAINING}, {_GRADIENTS} (Weights)",
        ),
        (
            "Products of Jacobians: w\u1d4f vanishes or explodes, eigenvalues decide",
            f"{_GRADIENTS} (Warm-up, Jacobians)",
        ),
        ("The sigmoid\u2019s slope is 1/4 at most", f"{_GRADIENTS} (Warm-up)"),
        ("Not so in feed-forward nets, whose layers have weights of their own", _TRAINING),
        ("The distant past is hardly learned", f"{_GRADIENTS} (What is learned), {_TRAINING}"),
    ),
    "Practice": (
        ("Texts of different length: padding at the start or the end, and why short ones learn less", _BATCHES),
        ("Masks and true lengths; no padding word, an embedding smaller by a row", _BATCHES),
        ("Batches of similar length, several fittings; long texts in windows", _BATCHES),
        ("One text padded in every way, unit by unit", f"{_REVIEWS} (Padding)"),
    ),
    "What single units do": (("One element of the state as the characters come in, blue low, red high", _NEURONS),),
    "Open questions": (
        ("Short against long memory", f"{_ISSUES}, {_GRADIENTS}"),
        ("Steps that wait for each other, measured; very long sequences and what they keep", _ISSUES),
        ("The gradient\u2019s depth", f"{_GRADIENTS}, {_ISSUES}"),
        ("Attention and what came after", _ISSUES),
    ),
}
"""Part of the notes -> (idea, links to where it is found)."""


def render() -> None:
    """Draw the table."""
    st.header("Where to find what")
    st.write("Every idea of the lesson, and the pages on which it can be tried out.")
    rows = ["| Idea | Where |", "|---|---|"]
    for part, ideas in PLACES.items():
        rows.append(f"| **{part}** | |")
        rows += [f"| {idea.replace('|', chr(92) + '|')} | {where} |" for idea, where in ideas]
    st.markdown("\n".join(rows))
