"""The same cell written in several ways, and what its parts do alone; it knows nothing of pages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnnviz.lesson.cell import Hand, Walk, one_hot, walk


@dataclass(frozen=True, eq=False)
class Stacked:
    """One gate's sum at one step, written twice.

    Attributes:
        whole: float64 (unit, input + unit), [W_x W_h].
        joined: float64 (input + unit,), [x; h].
        bias: float64 (unit,).
        by_one: float64 (unit,), [W_x W_h] [x; h] + b.
        by_two: float64 (unit,), W_x x + W_h h + b.
    """

    whole: np.ndarray
    joined: np.ndarray
    bias: np.ndarray
    by_one: np.ndarray
    by_two: np.ndarray

    @property
    def difference(self) -> float:
        """The largest difference between the two."""
        return float(np.abs(self.by_one - self.by_two).max())


def stacked(hand: Hand, read: Walk, time: int, block: int) -> Stacked | None:
    """Return a gate's sum with one product and with two; None for PyTorch's GRU's candidate, which has no such form.

    Args:
        hand: The network.
        read: What it has read.
        time: The step, from 0.
        block: Which gate, in the order of `Cell.blocks`.
    """
    if hand.cell_type == "gru" and block == 2:
        return None
    rows = slice(block * hand.units, (block + 1) * hand.units)
    weight_x, weight_h, bias = hand.weight_x[rows], hand.weight_h[rows], hand.bias[rows]
    x, h = read.x[time], read.states["hidden"][time]
    if hand.cell_type == "gru_textbook" and block == 2:
        h = read.gates["reset_gate"][time] * h
    whole, joined = np.hstack([weight_x, weight_h]), np.concatenate([x, h])
    return Stacked(whole, joined, bias, whole @ joined + bias, weight_x @ x + weight_h @ h + bias)


def other_gru(hand: Hand) -> Hand:
    """Return the same weights in the other GRU; PyTorch's extra bias is lost, or begins as zero."""
    if hand.cell_type == "gru":
        return replace(hand, cell_type="gru_textbook", matrix=hand.matrix[:, :-1])
    return replace(hand, cell_type="gru", matrix=np.hstack([hand.matrix, np.zeros((len(hand.matrix), 1))]))


def without_hidden_bias(hand: Hand) -> Hand:
    """Return a GRU whose b_hn is zero: the other GRU has no such bias."""
    if hand.cell_type != "gru":
        return hand
    return replace(hand, matrix=np.hstack([hand.matrix[:, :-1], np.zeros((len(hand.matrix), 1))]))


@dataclass(frozen=True, eq=False)
class NotesGru:
    """A text read by the GRU of the notes, whose update gate writes.

    Attributes:
        sums: float64 (time, unit), a: what the textbook's own update gate sums up; the notes' has -a.
        reset: float64 (time, unit), r.
        write: float64 (time, unit), z = sigmoid(-a).
        candidate: float64 (time, unit), tanh(W [r * s, x] + b).
        states: float64 (time + 1, unit), s, the first row before anything is read.
    """

    sums: np.ndarray
    reset: np.ndarray
    write: np.ndarray
    candidate: np.ndarray
    states: np.ndarray


def notes_gru(hand: Hand, text: str) -> NotesGru:
    """Read a text with s_t = z * tanh(W [r * s_{t-1}, x_t] + b) + (1 - z) * s_{t-1}.

    Args:
        hand: A textbook GRU; its update gate's weights and bias are taken with the opposite sign.
        text: At least one character.

    Raises:
        ValueError: It is another cell.
    """
    if hand.cell_type != "gru_textbook":
        raise ValueError(f"hand: expected a gru_textbook, got {hand.cell_type}")
    x_r, x_z, x_n = np.split(hand.weight_x, 3)
    s_r, s_z, s_n = np.split(hand.weight_h, 3)
    b_r, b_z, b_n = np.split(hand.bias, 3)
    states, steps = [hand.start[0]], []
    for x in one_hot(hand.letters, text):
        old = states[-1]
        reset = sigmoid(x_r @ x + s_r @ old + b_r)
        total = x_z @ x + s_z @ old + b_z
        write = sigmoid(-total)
        candidate = np.tanh(x_n @ x + s_n @ (reset * old) + b_n)
        states.append(write * candidate + (1 - write) * old)
        steps.append((total, reset, write, candidate))
    return NotesGru(*(np.stack(values) for values in zip(*steps, strict=True)), np.stack(states))


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + e^-a), without overflow."""
    return 0.5 * (1 + np.tanh(np.asarray(values) / 2))


VOWELS = "aeiouyAEIOUY"


def gated(text: str, weight: float, bias: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Let a gate pass or stop each character's number.

    Args:
        text: The text.
        weight: The dense layer's weight; its input is 1 for a vowel and 0 otherwise.
        bias: Its bias.

    Returns:
        The gate sigmoid(weight * vowel + bias), each character's place in the alphabet (0 for any other character), and
        their product, each float64 (time,).
    """
    vowel = np.array([float(c in VOWELS) for c in text])
    place = np.array([float(ord(c.lower()) - 96) if c.isascii() and c.isalpha() else 0.0 for c in text])
    gate = sigmoid(weight * vowel + bias)
    return gate, place, gate * place


@dataclass(frozen=True, eq=False)
class Growth:
    """How a cell's state grows and how far its gradient reaches.

    Attributes:
        norms: float64 (time + 1,), the length of the state.
        reach: float64 (time + 1,), the spectral norm of dh_T/dh_t, from t = T back to t = 0.
    """

    norms: np.ndarray
    reach: np.ndarray


def growth(hand: Hand, text: str) -> Growth:
    """Measure the state's length forwards and the derivative of the last state backwards.

    Args:
        hand: A network of tanh, ReLU or residual cells.
        text: What it reads.
    """
    read = walk(hand, text)
    states = read.states["hidden"]
    factors = [_slope(hand, read, t)[:, None] * hand.weight_h for t in range(len(text))]
    if hand.cell_type == "residual":
        factors = [factor + np.eye(hand.units) for factor in factors]
    product, reach = np.eye(hand.units), [1.0]
    for factor in reversed(factors):
        product = product @ factor
        reach.append(float(np.linalg.norm(product, 2)))
    return Growth(np.linalg.norm(states, axis=1), np.array(reach))


def _slope(hand: Hand, read: Walk, time: int) -> np.ndarray:
    """The activation's slope at each unit."""
    if hand.cell_type == "rnn_relu":
        return (read.gates["hidden"][time] > 0).astype(float)
    return 1 - read.gates["candidate" if hand.cell_type == "residual" else "hidden"][time] ** 2


def plain(cell_type: str, letters: tuple[str, ...], seed: int, scale: float, units: int = 3) -> Hand:
    """Return a network whose W_h is `scale` times the identity (Le, Jaitly and Hinton 2015), W_x positive."""
    inputs = np.random.default_rng(seed).uniform(0, 0.5, (units, len(letters))).round(2)
    matrix = np.hstack([inputs, scale * np.eye(units), np.zeros((units, 1))])
    return Hand(cell_type, letters, matrix, np.zeros((1, units)), np.zeros(units + 1))
