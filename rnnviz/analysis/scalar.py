"""One recurrent unit, h_t = f(w h_{t-1} + b): its derivative over many steps, w^k and the bound; it draws nothing.

Products are kept as a sign and a base-10 logarithm, so that none underflows or overflows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnviz.errors import ConfigError

MOST_STEPS = 1000
_LARGEST = 1e100
_LN10 = math.log(10)
_QUARTER = math.log10(0.25)


@dataclass(frozen=True)
class Activation:
    """An activation function, its slope, and the logarithm of its slope, all elementwise.

    Attributes:
        label: What people call it.
        steepest: gamma, the largest slope it has anywhere.
        value: f(a).
        slope: f'(a), never negative; where it is below 1e-308 it rounds to zero.
        log10_slope: log10 f'(a), right where the slope itself would round to zero; -inf for a slope of exactly zero.
    """

    label: str
    steepest: float
    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    log10_slope: Callable[[np.ndarray], np.ndarray]


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -a))


def _sigmoid_slope(a: np.ndarray) -> np.ndarray:
    """s(a) (1 - s(a)) = e / (1 + e)^2 with e = exp(-|a|)."""
    small = np.exp(-np.abs(a))
    return np.minimum(small / (1 + small) ** 2, 0.25)


def _sigmoid_log10_slope(a: np.ndarray) -> np.ndarray:
    size = np.abs(a)
    return np.minimum(-(size + 2 * np.log1p(np.exp(-size))) / _LN10, _QUARTER)


def _tanh_slope(a: np.ndarray) -> np.ndarray:
    """1 - tanh(a)^2 = 4 s'(2a), which does not cancel for a large a as the left side does."""
    return 4 * _sigmoid_slope(2 * a)


def _tanh_log10_slope(a: np.ndarray) -> np.ndarray:
    return np.minimum(_sigmoid_log10_slope(2 * a) - _QUARTER, 0.0)


def _relu_log10_slope(a: np.ndarray) -> np.ndarray:
    return np.where(a > 0, 0.0, -np.inf)


ACTIVATIONS = {
    "tanh": Activation("tanh", 1.0, np.tanh, _tanh_slope, _tanh_log10_slope),
    "sigmoid": Activation("sigmoid", 0.25, _sigmoid, _sigmoid_slope, _sigmoid_log10_slope),
    "relu": Activation(
        "ReLU", 1.0, lambda a: np.maximum(a, 0.0), lambda a: np.where(a > 0, 1.0, 0.0), _relu_log10_slope
    ),
    "identity": Activation("none (linear)", 1.0, np.asarray, np.ones_like, np.zeros_like),
}
"""Name -> activation; ReLU has slope 0 at 0, as in PyTorch."""


@dataclass(frozen=True, eq=False)
class ScalarChain:
    """One unit run for T steps, and how its last state depends on each earlier one.

    Attributes:
        weight: w.
        bias: b.
        activation: A name in `ACTIVATIONS`.
        states: float64 (T + 1,), h_0 to h_T; infinite from the step at which float64 overflows.
        slopes: float64 (T,), f'(a_1) to f'(a_T), where a_t = w h_{t-1} + b.
        signs: int8 (T + 1,), the sign of d h_T / d h_{T-k} for k = 0 to T; 0 where it is exactly zero.
        log10_product: float64 (T + 1,), log10 |d h_T / d h_{T-k}|; -inf where it is exactly zero.
        log10_linear: float64 (T + 1,), log10 |w|^k, the chain without an activation.
        log10_bound: float64 (T + 1,), log10 (|w| gamma)^k, which no product exceeds.
    """

    weight: float
    bias: float
    activation: str
    states: np.ndarray
    slopes: np.ndarray
    signs: np.ndarray
    log10_product: np.ndarray
    log10_linear: np.ndarray
    log10_bound: np.ndarray

    @property
    def steps(self) -> int:
        """T, the number of steps."""
        return len(self.slopes)

    @property
    def linear_signs(self) -> np.ndarray:
        """The sign of w^k for k = 0 to T, int8 (T + 1,)."""
        return _power_signs(self.weight, self.steps)

    @property
    def zero_from(self) -> int | None:
        """The smallest k at which d h_T / d h_{T-k} is exactly zero; None where it never is."""
        return _first(self.signs == 0)

    def state_overflow(self, dtype: type = np.float64) -> int | None:
        """Return the first step t whose |h_t| is above the largest number of a float type; None where none is."""
        return _first(np.abs(self.states) > float(np.finfo(dtype).max))


def scalar_chain(
    weight: float, activation: str = "tanh", start: float = 0.5, steps: int = 50, bias: float = 0.0
) -> ScalarChain:
    """Run h_t = f(w h_{t-1} + b) and multiply up its derivative, d h_T / d h_{T-k} = prod_j w f'(a_j).

    The product runs over the last k steps. |w| gamma < 1, with gamma the activation's largest slope (1 for tanh, 1/4
    for the sigmoid), makes it vanish: Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural
    networks", section 2.1, where w is the largest singular value of the recurrent matrix.

    Args:
        weight: w.
        activation: A name in `ACTIVATIONS`.
        start: h_0.
        steps: T, 1 to 1000.
        bias: b.

    Returns:
        The states, the slopes and the products.

    Raises:
        ConfigError: The activation is unknown, a number is not finite or beyond 1e100, or there are too many steps.
    """
    if activation not in ACTIVATIONS:
        raise ConfigError(f"There is no activation {activation!r}; choose one of {', '.join(ACTIVATIONS)}.")
    if not 1 <= steps <= MOST_STEPS:
        raise ConfigError(f"The chain can have 1 to {MOST_STEPS:,} steps, not {steps:,}.")
    for name, value in (("weight", weight), ("bias", bias), ("first state", start)):
        if not abs(value) <= _LARGEST:
            raise ConfigError(f"The {name} must be a number of at most {_LARGEST:g} in size, not {value:g}.")
    function = ACTIVATIONS[activation]
    states = np.empty(steps + 1)
    inputs = np.empty(steps)
    states[0] = start
    with np.errstate(over="ignore"):
        for t in range(steps):
            inputs[t] = weight * states[t] + bias
            states[t + 1] = function.value(inputs[t])
    faded = np.concatenate([[0.0], np.cumsum(function.log10_slope(inputs)[::-1])])
    linear = log10_powers(weight, steps)
    product = linear + faded
    return ScalarChain(
        weight=weight,
        bias=bias,
        activation=activation,
        states=states,
        slopes=function.slope(inputs),
        signs=np.where(np.isneginf(product), 0, _power_signs(weight, steps)).astype(np.int8),
        log10_product=product,
        log10_linear=linear,
        log10_bound=log10_powers(weight * function.steepest, steps),
    )


def out_of_range(log10_sizes: np.ndarray, dtype: type = np.float32) -> tuple[int | None, int | None]:
    """Find where a falling or growing size leaves a float type.

    Args:
        log10_sizes: float64 (k,), base-10 logarithms.
        dtype: A numpy float type.

    Returns:
        The first index above the type's largest number, and the first below its smallest normal one but not exactly
        zero; each None where there is none.
    """
    limits = np.finfo(dtype)
    low = log10_sizes < math.log10(limits.smallest_normal)
    return _first(log10_sizes > math.log10(limits.max)), _first(low & np.isfinite(log10_sizes))


def log10_powers(base: float, steps: int) -> np.ndarray:
    """Return log10 |base|^k for k = 0 to `steps`, float64 (steps + 1,); 0^0 is 1, other powers of 0 give -inf."""
    if base == 0:
        return np.concatenate([[0.0], np.full(steps, -np.inf)])
    return np.arange(steps + 1) * math.log10(abs(base))


def _power_signs(base: float, steps: int) -> np.ndarray:
    """The sign of base^k for k = 0 to `steps`; 0^0 is 1."""
    return (np.sign(base) ** np.arange(steps + 1)).astype(np.int8)


def _first(where: np.ndarray) -> int | None:
    return int(np.argmax(where)) if where.any() else None
