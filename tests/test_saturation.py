"""Saturation on gates worked out by hand."""

import numpy as np
import pytest

from rnnviz.analysis.saturation import saturation

FORGET = np.array([[[0.05, 0.95]], [[0.05, 0.95]], [[0.05, 0.5]], [[0.5, 0.01]]], dtype=np.float32)  # (4, 1, 2)


def test_shares_of_time_by_hand() -> None:
    found = saturation({"hidden": FORGET, "input_gate": np.full_like(FORGET, 0.5), "forget_gate": FORGET})
    assert found.gates == ("input_gate", "forget_gate")
    assert found.left.shape == found.right.shape == (2, 1, 2)
    assert found.left.dtype == found.right.dtype == np.float64
    assert found.left.tolist() == [[[0, 0]], [[0.75, 0.25]]]
    assert found.right.tolist() == [[[0, 0]], [[0, 0.5]]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_thresholds_themselves_are_not_saturated(dtype: type) -> None:
    edges = np.array([0.1, 0.9], dtype=dtype)
    values = np.concatenate([edges, np.nextafter(edges, np.array([0, 1], dtype=dtype))])[:, None, None]
    found = saturation({"update_gate": values})
    assert (found.left.item(), found.right.item()) == (0.25, 0.25)


def test_layers_and_units_keep_their_places() -> None:
    values = np.full((3, 2, 4), 0.5)
    values[:, 1, 2] = 0.99
    found = saturation({"reset_gate": values})
    assert np.argwhere(found.right).tolist() == [[0, 1, 2]] and not found.left.any()


def test_only_gates_count_in_both_directions() -> None:
    lstm = ("hidden", "cell", "input_gate", "forget_gate", "candidate", "output_gate")
    names = [*lstm, *(f"{name}_backward" for name in lstm)]
    gates = tuple(name for name in names if "_gate" in name)
    assert len(gates) == 6 and saturation(dict.fromkeys(names, FORGET)).gates == gates
    gru = ("hidden", "reset_gate", "update_gate", "candidate")
    assert saturation(dict.fromkeys(gru, FORGET)).gates == ("reset_gate", "update_gate")


def test_a_cell_without_gates_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a gate among them .*, got hidden, candidate"):
        saturation({"hidden": FORGET, "candidate": FORGET})
