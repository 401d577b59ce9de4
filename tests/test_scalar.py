"""The warm-up: one unit against closed forms, a matrix against its bounds, and the view that shows them."""

import itertools
import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from rnnviz.analysis.scalar import ACTIVATIONS, log10_powers, out_of_range, scalar_chain
from rnnviz.analysis.spectrum import MATRICES, power_norms, powers, random_matrix, spectrum
from rnnviz.charts import warmup as charts
from rnnviz.errors import ConfigError

CLOSE = 1e-9
NUMBERS = st.floats(-3, 3, allow_subnormal=False)


def _products(chain) -> np.ndarray:
    return chain.signs * 10.0**chain.log10_product


# One unit


@pytest.mark.parametrize("weight", [0.9, -0.5, 2.0, -1.75, 1.0])
def test_without_an_activation_the_product_is_w_to_the_k(weight: float) -> None:
    chain = scalar_chain(weight, "identity", 0.5, 40)
    assert np.array_equal(chain.log10_product, chain.log10_linear)
    assert np.array_equal(chain.signs, chain.linear_signs)
    exact = [Fraction(weight) ** k for k in range(41)]
    assert _products(chain) == pytest.approx([float(value) for value in exact], rel=1e-12)
    assert chain.states == pytest.approx([float(value / 2) for value in exact], rel=1e-12)


@pytest.mark.parametrize("weight", [1.3, -1.3, 0.7])
def test_tanh_from_zero_is_the_linear_chain(weight: float) -> None:
    chain = scalar_chain(weight, "tanh", 0.0, 30)
    assert (chain.slopes == 1).all()
    assert np.array_equal(chain.log10_product, chain.log10_linear)


def test_at_a_fixed_point_every_factor_is_the_same() -> None:
    fixed = scalar_chain(1.5, "tanh", 0.9, 1000).states[-1]
    chain = scalar_chain(1.5, "tanh", fixed, 200)
    assert _products(chain) == pytest.approx((1.5 * (1 - fixed**2)) ** np.arange(201), rel=CLOSE)
    assert chain.log10_product[-1] < 0 < chain.log10_linear[-1], "it fades although w > 1"


def test_the_sigmoid_leaves_a_quarter_a_step_at_best() -> None:
    chain = scalar_chain(1.0, "sigmoid", 0.5, 10, bias=-0.5)  # every pre-activation is 0
    assert (chain.slopes == 0.25).all()
    assert _products(chain)[-1] == pytest.approx(9.5367431640625e-7, rel=CLOSE)
    assert chain.log10_bound == pytest.approx(chain.log10_product, abs=CLOSE)
    assert _products(scalar_chain(1.0, "sigmoid", 0.5, 10))[-1] < 0.25**10


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_slopes_are_derivatives_and_gamma_is_the_largest(name: str) -> None:
    function = ACTIVATIONS[name]
    grid = np.linspace(-8, 8, 400)
    numeric = (function.value(grid + 1e-6) - function.value(grid - 1e-6)) / 2e-6
    assert function.slope(grid) == pytest.approx(numeric, abs=1e-8)
    assert function.slope(np.linspace(-8, 8, 401)).max() == function.steepest
    steep = function.slope(grid) > 0
    assert 10 ** function.log10_slope(grid[steep]) == pytest.approx(function.slope(grid[steep]), rel=1e-12)


def test_slopes_of_a_saturated_unit_keep_their_logarithm() -> None:
    far = np.array([-1000.0, 1000.0])
    assert ACTIVATIONS["sigmoid"].log10_slope(far) == pytest.approx(-1000 / math.log(10))
    assert ACTIVATIONS["tanh"].log10_slope(far) == pytest.approx(math.log10(4) - 2000 / math.log(10))
    assert ACTIVATIONS["tanh"].slope(np.array(20.0)) == pytest.approx(4 * math.exp(-40), rel=1e-12)


@pytest.mark.parametrize(("name", "bias"), list(itertools.product(ACTIVATIONS, [0.1, 0.3])))
@pytest.mark.parametrize("weight", [0.9, -1.4])
def test_products_against_finite_differences(name: str, bias: float, weight: float) -> None:
    chain = scalar_chain(weight, name, 0.4, 12, bias)
    for k in range(1, 13):
        ends = [scalar_chain(weight, name, chain.states[12 - k] + e, k, bias).states[-1] for e in (1e-6, -1e-6)]
        assert _products(chain)[k] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(NUMBERS, st.sampled_from(list(ACTIVATIONS)), NUMBERS, NUMBERS, st.integers(1, 60))
def test_no_product_exceeds_the_bound(weight: float, name: str, start: float, bias: float, steps: int) -> None:
    chain = scalar_chain(weight, name, start, steps, bias)
    assert not np.isnan(chain.log10_product).any()
    assert (chain.log10_product <= chain.log10_bound + CLOSE).all()
    assert np.array_equal(chain.signs == 0, np.isneginf(chain.log10_product))
    assert chain.log10_product[0] == 0
    assert chain.signs[0] == 1


def test_zeros_are_exact_and_named() -> None:
    nothing = scalar_chain(0.0, "tanh", 1.0, 5)
    assert nothing.zero_from == 1
    assert nothing.signs.tolist() == nothing.linear_signs.tolist() == [1, 0, 0, 0, 0, 0]
    assert "w is 0" in charts.chain_remarks(nothing)[0]
    off = scalar_chain(-1.0, "relu", 2.0, 5)
    assert off.zero_from == 1
    assert off.linear_signs.tolist() == [1, -1, 1, -1, 1, -1]
    assert "ReLU" in charts.chain_remarks(off)[0]
    late = scalar_chain(1.0, "relu", 2.0, 6, bias=-0.5)  # on for three steps, then off
    assert late.zero_from == 1
    assert scalar_chain(0.9, "tanh").zero_from is None


def test_long_chains_neither_underflow_nor_overflow() -> None:
    chain = scalar_chain(1.0, "sigmoid", 0.5, 1000)
    fixed = scalar_chain(1.0, "sigmoid", 0.5, 1000).states[-1]
    assert chain.log10_product[-1] == pytest.approx(1000 * math.log10(fixed * (1 - fixed)), abs=0.1)
    assert chain.log10_product[-1] < -600
    assert chain.signs[-1] == 1
    _, under = out_of_range(chain.log10_product)
    assert (
        chain.log10_product[under] < math.log10(np.finfo(np.float32).smallest_normal) <= chain.log10_product[under - 1]
    )
    assert f"k = {under} on" in charts.chain_remarks(chain)[0]


def test_an_overflowing_state_is_named_by_its_step() -> None:
    chain = scalar_chain(-2.0, "identity", 1e8, 1000)
    first = next(t for t in range(1001) if Fraction(10) ** 8 * 2**t >= 2**1024)
    assert chain.state_overflow() == first
    assert np.isfinite(chain.states[:first]).all()
    assert np.isinf(chain.states[first:]).all()
    assert chain.log10_product[-1] == pytest.approx(1000 * math.log10(2)), "the derivative does not overflow with it"
    single = chain.state_overflow(np.float32)
    assert 2.0**single * 1e8 > float(np.finfo(np.float32).max) >= 2.0 ** (single - 1) * 1e8
    remarks = " ".join(charts.chain_remarks(chain))
    assert f"float64 (above 1.8e308) at step {first}" in remarks
    assert f"float32 (above 3.4e38) at step {single}" in remarks
    assert scalar_chain(0.9).state_overflow() is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weight": 1.0, "activation": "gelu"}, "no activation"),
        ({"weight": math.nan}, "weight"),
        ({"weight": 1.0, "start": math.inf}, "first state"),
        ({"weight": 1.0, "steps": 0}, "1 to 1,000 steps"),
        ({"weight": 1.0, "steps": 1001}, "1 to 1,000 steps"),
    ],
)
def test_impossible_chains_are_one_sentence(options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        scalar_chain(**options)


# A matrix


@pytest.mark.parametrize("kind", MATRICES)
def test_powers_lie_between_their_bounds_and_match_numpy(kind: str) -> None:
    matrix = random_matrix(kind, 12, 0.9, seed=3)
    found = powers(matrix, 30)
    exact = [np.linalg.norm(np.linalg.matrix_power(matrix, k), 2) for k in range(31)]
    assert 10**found.log10_norms == pytest.approx(exact, rel=1e-8)
    assert (found.log10_radius <= found.log10_norms + CLOSE).all()
    assert (found.log10_norms <= found.log10_singular + CLOSE).all()
    if kind in ("orthogonal", "identity"):
        assert found.log10_norms == pytest.approx(log10_powers(0.9, 30), abs=CLOSE)


def test_a_non_normal_matrix_grows_before_it_fades() -> None:
    matrix = np.array([[0.9, 5.0], [0.0, 0.9]])  # W^k = 0.9^k [[1, k 5 / 0.9], [0, 1]]
    found = powers(matrix, 2000)
    k = np.arange(2001)
    shear = k * 5 / 0.9
    stretch = (shear + np.sqrt(shear**2 + 4)) / 2  # the larger singular value of [[1, s], [0, 1]]
    assert found.log10_norms == pytest.approx(k * math.log10(0.9) + np.log10(stretch), abs=1e-8)
    assert found.hump == int(np.argmax(0.9**k * stretch)) == 9
    assert found.log10_norms[-1] < -85
    assert powers(np.array([[0.9, 0.0], [0.0, -0.5]]), 20).hump is None
    assert powers(np.array([[1.1, 5.0], [0.0, 0.2]]), 20).hump is None, "it grows for good"


def test_powers_far_outside_the_range_of_floats() -> None:
    for factor in (1e-200, 1e200):
        found = powers(np.diag([factor, factor / 2]), 50)
        assert found.log10_norms == pytest.approx(50 * math.log10(factor) * np.arange(51) / 50, rel=1e-12)
    nilpotent = powers(np.diag([2.0, 2.0], k=1), 5)
    assert nilpotent.log10_norms[:3] == pytest.approx(np.log10([1, 2, 4]))
    assert np.isneginf(nilpotent.log10_norms[3:]).all()
    assert np.isneginf(powers(np.zeros((3, 3)), 4).log10_norms[1:]).all()


def test_a_scaled_matrix_needs_no_new_measurement() -> None:
    matrix = random_matrix("gaussian", 16, seed=1)
    for factor in (0.3, 1.7):
        assert np.array_equal(random_matrix("gaussian", 16, factor, seed=1), factor * matrix)
        again, scaled = powers(factor * matrix, 20), powers(matrix, 20).scaled(factor)
        for name in ("log10_norms", "log10_radius", "log10_singular"):
            assert getattr(scaled, name) == pytest.approx(getattr(again, name), abs=CLOSE)
        one, other = spectrum(factor * matrix), spectrum(matrix).scaled(factor)
        assert np.abs(one.eigenvalues) == pytest.approx(np.abs(other.eigenvalues), abs=CLOSE)
        assert (one.radius, one.largest_singular) == pytest.approx((other.radius, other.largest_singular))


def test_several_matrices_at_some_steps() -> None:
    matrices = np.stack([random_matrix("gaussian", 6, seed=seed) for seed in range(3)])
    found = power_norms(matrices, np.array([0, 3, 7]))
    assert found.shape == (3, 3)
    for row, matrix in zip(found, matrices, strict=True):
        assert row == pytest.approx(powers(matrix, 7).log10_norms[[0, 3, 7]], abs=CLOSE)


def test_a_rotation_has_its_eigenvalues_on_a_circle() -> None:
    turn = np.array([[0.0, -2.0], [2.0, 0.0]])
    found = spectrum(turn)
    assert found.eigenvalues == pytest.approx([2j, -2j])
    assert found.radius == pytest.approx(2)
    assert found.largest_singular == pytest.approx(2)


def test_random_matrices_are_what_they_are_called() -> None:
    gaussian = random_matrix("gaussian", 128, 0.8)
    assert gaussian.std() == pytest.approx(0.8 / math.sqrt(128), rel=0.03)
    assert spectrum(gaussian).radius == pytest.approx(0.8, abs=0.1)
    orthogonal = random_matrix("orthogonal", 32)
    assert orthogonal.T @ orthogonal == pytest.approx(np.eye(32), abs=1e-12)
    glorot = random_matrix("glorot", 64, 2.0)
    assert 0.98 * 2 * math.sqrt(6 / 128) < np.abs(glorot).max() <= 2 * math.sqrt(6 / 128)
    assert np.array_equal(random_matrix("identity", 3, 0.5), 0.5 * np.eye(3))
    assert np.array_equal(random_matrix("gaussian", 8, seed=4), random_matrix("gaussian", 8, seed=4))
    assert not np.array_equal(random_matrix("gaussian", 8, seed=4), random_matrix("gaussian", 8, seed=5))


def test_orthogonal_matrices_are_both_rotations_and_reflections() -> None:
    signs = [round(np.linalg.det(random_matrix("orthogonal", 2, seed=seed))) for seed in range(60)]
    assert 15 < signs.count(1) < 45


@pytest.mark.parametrize("matrix", [np.zeros((2, 3)), np.zeros(4), np.zeros((0, 0)), np.array([[math.nan]])])
def test_impossible_matrices(matrix: np.ndarray) -> None:
    with pytest.raises(ValueError, match="matrix: expected"):
        spectrum(matrix)


def test_impossible_draws_are_one_sentence() -> None:
    for arguments in (("cauchy", 4), ("gaussian", 0), ("gaussian", 4, math.inf)):
        with pytest.raises(ConfigError):
            random_matrix(*arguments)
    with pytest.raises(ValueError, match="steps"):
        powers(np.eye(2), 0)


# Pictures


def _rows(chart, mark: str) -> list[dict]:
    """The data of every layer of one mark."""
    spec = chart.to_dict()
    layers = [layer for layer in spec["layer"] if layer["mark"]["type"] == mark and layer["mark"].get("opacity") != 0]
    return [row for layer in layers for row in spec["datasets"][layer.get("data", spec.get("data"))["name"]]]


def test_zeros_have_their_own_mark_and_nothing_is_dropped() -> None:
    chart = charts.chain_chart(scalar_chain(-1.0, "relu", 2.0, 5))
    lines, points = _rows(chart, "line"), _rows(chart, "point")
    crosses = [row for row in points if row["mark"] == "exactly zero"]
    assert sorted(row["k"] for row in crosses) == [1, 2, 3, 4, 5]
    assert len(lines) + len(crosses) == 3 * 6
    assert all(math.isfinite(row["log10"]) for row in lines + points)
    floor, top = chart.to_dict()["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert all(floor <= row["log10"] <= top for row in lines + points)


def test_where_float32_gives_up_is_marked() -> None:
    under = _rows(charts.chain_chart(scalar_chain(0.5, "tanh", 0.0, 200)), "point")
    assert [(row["k"], row["mark"]) for row in under] == [(127, "float32 underflows from here")]
    over = _rows(charts.chain_chart(scalar_chain(2.0, "identity", 0.0, 200)), "point")
    assert [(row["k"], row["mark"]) for row in over] == [(128, "float32 overflows from here")]
    assert not _rows(charts.chain_chart(scalar_chain(0.9)), "point")


def test_measured_bound_and_closed_form_are_told_apart() -> None:
    names = {row["network"] for row in _rows(charts.chain_chart(scalar_chain(0.9)), "line")}
    assert {"measured", "closed form", "upper bound"} == {
        word for word in ("measured", "closed form", "upper bound") if any(word in name for name in names)
    }
    negative = _rows(charts.chain_chart(scalar_chain(-0.5, "identity", 1.0, 3)), "line")
    assert [row["value"] for row in negative[:4]] == ["1", "-0.5", "0.25", "-0.125"]


def test_slopes_mark_their_maxima() -> None:
    points = _rows(charts.slope_chart(2.0), "point")
    assert [row["slope"] for row in points if row["point"] == "largest slope"] == [1, 0.25]
    here = [row["slope"] for row in points if row["point"] == "at a = 2"]
    assert here == pytest.approx([1 - math.tanh(2) ** 2, 1 / (2 + math.exp(2) + math.exp(-2))])


def test_the_same_slope_ten_times() -> None:
    rows = _rows(charts.repeated_chart(1.0, 0.0, 10), "line")
    assert sorted(row["value"] for row in rows if row["k"] == 10) == ["1", "9.54e-07", "9.54e-07"]


def test_eigenvalues_are_told_by_the_side_they_are_on() -> None:
    found = spectrum(np.diag([1.5, 1.0, -0.5]))
    chart = charts.eigenvalue_chart(found, "eigenvalues")
    assert [row["where"] for row in _rows(chart, "point")] == ["outside: grows", "on the unit circle", "inside: fades"]
    assert [row["angle"] for row in _rows(chart, "point")] == pytest.approx([0, 0, 180])
    radii = {row["network"]: row["radius"] for row in _rows(chart, "line")}
    assert radii == {"unit circle": 1.0, "radius \u03c1 = 1.5 (largest modulus)": 1.5}
    spec = chart.to_dict()
    assert spec["width"] == spec["height"] <= 340
    axes = [spec["layer"][0]["encoding"][axis]["scale"]["domain"] for axis in "xy"]
    assert axes[0] == axes[1]


def test_the_powers_keep_hump_and_guides_in_view() -> None:
    found = powers(random_matrix("gaussian", 16, 0.9, seed=2), 40)
    band = np.array([0, 40]), np.array([0.0, -3.0]), np.array([0.0, 1.0])
    chart = charts.powers_chart(found, "one (measured)", band, "ten draws")
    floor, top = chart.to_dict()["layer"][1]["encoding"]["y"]["scale"]["domain"]
    assert floor <= min(found.log10_radius.min(), -3)
    assert max(found.log10_norms.max(), 1) < top < found.log10_singular[-1]
    assert {row["band"] for row in _rows(chart, "area")} == {"ten draws"}
    assert "area" not in json.dumps(charts.powers_chart(found, "one (measured)").to_dict()["layer"])


def test_formulas_hold_the_live_numbers() -> None:
    text = charts.chain_formula(scalar_chain(-0.9, "tanh", 0.0, 50))
    assert "(-0.9)^{50} = 0.00515" in text
    assert r"(0.9\cdot 1)^{50}" in text
    assert r"9.54\cdot 10^{-7}" in charts.slope_formula(1.0, 10)
    assert r"1 &\le 1 \le 1" in charts.powers_formula(powers(np.eye(3), 7))


# The view

CODE = "from rnnviz.pages.gradients import warmup\nwarmup.render()\n"


def _view(**state: object) -> AppTest:
    app = AppTest.from_string(CODE, default_timeout=60)
    for name, value in state.items():
        app.session_state[f"keep_gradient_warmup_{name}"] = value
    return app.run()


def _charts(app: AppTest) -> int:
    return len(app.get("vega_lite_chart"))


def test_first_sight() -> None:
    app = _view()
    assert not app.exception
    assert not app.error
    assert [part.value for part in app.header] == ["One unit", "The sigmoid\u2019s slope", "A matrix"]
    assert _charts(app) == len(app.caption) == 5
    assert "0.9^{50} = 0.00515" in app.latex[0].value
    assert r"9.54\cdot 10^{-7}" in app.latex[1].value
    assert any("seeds 0 to 9" in caption.value for caption in app.caption)
    app.run()
    assert not app.warning


def test_knobs_move_the_numbers() -> None:
    app = _view(scalar={"w": -2.0, "start": 1.0, "steps": 300.0}, activation="identity")
    assert "(-2)^{300}" in app.latex[0].value
    assert any("float32 (above 3.4e38) at step 128" in text.value for text in app.markdown)
    app = _view(scalar={"w": 0.0}, matrix={"size": 2, "scale": 2.0, "steps": 1.0}, slope={"w": 0.0})
    assert not app.exception
    assert any("exactly zero from k = 1" in text.value for text in app.markdown)


def test_the_matrix_answers_its_widgets() -> None:
    app = _view(matrix={"size": 8, "scale": 0.95, "steps": 10})
    before = app.latex[2].value
    app.number_input(key="keep_gradient_warmup_seed").set_value(7).run()
    assert app.latex[2].value != before
    assert any("seeds 7 to 16" in caption.value for caption in app.caption)
    app.selectbox(key="keep_gradient_warmup_init").set_value("identity").run()
    assert not app.exception
    assert _charts(app) == 5
    assert not any("seeds" in caption.value for caption in app.caption)
    assert app.latex[2].value.count("0.599") == 3
