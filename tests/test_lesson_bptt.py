"""Training by steps: flows, sums, products, cuts and updates against autograd and arithmetic, and the page."""

from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest
from torch.nn.functional import cross_entropy

from rnnviz import checkpoints
from rnnviz.analysis.gradients import gradient_decay
from rnnviz.charts import bptt as charts
from rnnviz.errors import ConfigError, TextError
from rnnviz.lesson import bptt as back
from rnnviz.lesson.bptt_lines import keras_gradient_lines, torch_gradient_lines
from rnnviz.lesson.unrolling_cell import HAND_CELLS, hand_network
from tests.conftest import STRANGE_TEXTS, run_lines, tiny_classifier, tiny_language_model

SLOW = 60_000
READ = ["The", "film", "was", "not", "bad", "at", "all"]
CODE = (
    "from rnnviz import session\nfrom rnnviz.pages.lesson import bptt\n"
    "session.keep_state()\nsession.guarded(bptt.render)()\n"
)


@pytest.fixture
def tiny_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    tiny_language_model(tmp_path / "tiny-lm")


@pytest.mark.parametrize("cell", HAND_CELLS)
def test_norms_and_sums_are_autograd_s(cell: str) -> None:
    network, ids = hand_network(READ, cell)
    flow = back.flow(network, ids, READ, 0)
    decay = gradient_decay(network, ids, target=0)
    for name, logs in decay.log10_norms.items():
        assert flow.log10_norms[name][1:] == pytest.approx(logs[:, 0], abs=1e-12)
    start = tuple(s[0].clone().requires_grad_(True) for s in network.start(1, 0))
    logits = network(torch.from_numpy(ids)[None], state=[tuple(s[None] for s in start)]).logits[0, -1]
    loss = cross_entropy(logits, torch.tensor(0))
    assert flow.loss_nats == pytest.approx(float(loss.detach()))
    for found, name in zip(torch.autograd.grad(loss, start), network.cell.states, strict=True):
        assert flow.log10_norms[name][0] == pytest.approx(float(found.norm().log10()), abs=1e-9)
    whole = back.autograd_gradient(network, ids, 0)
    for matrix, gradient in whole.items():
        for place in np.ndindex(gradient.shape):
            assert flow.parts(matrix, *place).sum() == pytest.approx(gradient[place], abs=1e-13)
    squares = sum(flow.parts("W_h", *place) ** 2 for place in np.ndindex(whole["W_h"].shape))
    assert back.norms(2 * flow.log10_parts) == pytest.approx(squares, abs=1e-15)


@pytest.mark.parametrize("matrix", ["W_h", "W_x", "b"])
def test_a_finite_difference_agrees(matrix: str) -> None:
    network, ids = hand_network(READ, "gru")
    gradient = back.autograd_gradient(network, ids, 1)[matrix]
    for place in np.ndindex(gradient.shape):
        up, down, slope = back.finite_difference(network, ids, 1, matrix, place, 1e-5)
        assert slope == pytest.approx(gradient[place], abs=1e-9) and slope == (up - down) / 2e-5
    assert back.finite_difference(network, ids, 1, "b", (0,), 2.0)[2] != pytest.approx(gradient.flat[0], abs=1e-6)


def test_without_recurrent_weights_only_the_last_step_has_a_part() -> None:
    cut = {f"W_h[{i}, {j}]": 0.0 for i in range(2) for j in range(2)}
    network, ids = hand_network(READ, "rnn_tanh", cut)
    parts = back.flow(network, ids, READ, 0).parts("W_x", 0, 0)
    assert not parts[:-1].any() and parts[-1]
    lstm, ids = hand_network(READ, "lstm", {f"W_h[{i}, {j}]": 0.0 for i in range(8) for j in range(2)})
    assert back.flow(lstm, ids, READ, 0).parts("W_x", 0, 0).all()


def test_a_cut_misses_what_the_left_out_steps_add() -> None:
    network, ids = hand_network(READ, "rnn_tanh")
    flow, cut = back.flow(network, ids, READ, 0), back.cut(network, ids, READ, 0)
    parts = np.array([[flow.parts("W_h", i, j) for j in range(2)] for i in range(2)])  # (row, column, time)
    whole = parts.sum(axis=2)
    for k in range(1, len(READ) + 1):
        kept = parts[:, :, -k:].sum(axis=2)
        assert cut.missing[k - 1] == pytest.approx(np.linalg.norm(whole - kept) / np.linalg.norm(whole), abs=1e-9)


def test_descent_goes_down_and_touches_nothing() -> None:
    network, ids = hand_network(READ, "lstm")
    before = network.head.weight.clone()
    moved, losses = back.descend(network, ids, 0, 0.5, 3)
    assert (np.diff(losses) < 0).all() and len(losses) == 4
    assert torch.equal(before, network.head.weight) and not torch.equal(before, moved.head.weight)
    assert torch.equal(network.embedding.weight, moved.embedding.weight)
    rate = 1e-4
    fall = -np.diff(back.descend(network, ids, 0, rate)[1])[0]
    assert fall == pytest.approx(rate * back.squared_gradient(network, ids, 0), rel=1e-3)
    assert back.losses_by_rate(network, ids, 0, [0.5])[0] == losses[1]


def test_a_scalar_chain_by_hand() -> None:
    run = back.scalar([0.5] * 3, [0.0, 0.0, 0.0], "identity", start=8.0)
    assert run.states.tolist() == [8, 4, 2, 1]
    assert run.products.tolist() == [1, 0.5, 0.25, 0.125]
    assert back.scalar([0.5, 2, 0.5, 2], [1.0] * 4, "identity").products[-1] == 1
    assert back.scalar([0.5, 2.0], [1.0, -3.0], "identity", start=4.0).states.tolist() == [4, 3, 3]
    driven = back.scalar([3.0] * 6, [0.5, -0.4, 0.3, 0.6, -0.2, 0.4]).products[-1]
    assert 0 < driven < 1e-3, "a unit driven hard fades though its weight is above 1"
    tanh = back.scalar([0.9, 0.9], [0.3, -0.2])
    wider = [back.scalar([0.9, 0.9], [0.3, -0.2], start=h).states[-1] for h in (1e-6, -1e-6)]
    assert tanh.products[2] == pytest.approx((wider[0] - wider[1]) / 2e-6, rel=1e-6)
    sigmoid = back.scalar([1.0] * 10, np.linspace(-1, 1, 10), "sigmoid")
    assert 0 < sigmoid.products[10] <= 0.25**10


def test_models_from_disk(tmp_path: Path) -> None:
    flow = back.flow_of(tiny_language_model(tmp_path / "lm"), "the lazy dog")
    assert flow.steps == 11 and np.isfinite(flow.log10_norms["cell"]).all()
    with pytest.raises(TextError):
        back.flow_of(tiny_language_model(tmp_path / "lm"), "t")
    with pytest.raises(ConfigError, match="both ways"):
        back.flow_of(tiny_classifier(tmp_path / "both", bidirectional=True), "film")


@pytest.mark.parametrize("cell", HAND_CELLS)
def test_the_scripts_print_the_page_s_numbers(cell: str) -> None:
    network, ids = hand_network(READ, cell)
    flow = back.flow(network, ids, READ, 1)
    gradient = back.autograd_gradient(network, ids, 1)["W_h"].flatten()
    inputs = flow.run.layers[-1].inputs.numpy()
    for script in (torch_gradient_lines(network, inputs, 1), keras_gradient_lines(network, inputs, 1)):
        loss, found = (line.split()[1:] for line in run_lines(script).splitlines())
        assert float(loss[0]) == pytest.approx(flow.loss_nats, abs=1e-6)
        assert np.array(found, dtype=float) == pytest.approx(gradient, abs=1e-6)


def test_charts_hold_the_numbers() -> None:
    parts = np.array([0.5, -0.25, 0.0])
    chart = charts.parts_chart(["a", "b", "c"], parts, "dL/dw").to_dict()
    rows = [row for data in chart["datasets"].values() for row in data]
    assert {"sum": 0.25} in rows
    assert [row["sign"] for row in rows if "sign" in row] == ["above zero", "below zero", "above zero"]
    cut = charts.cut_chart({"net": np.array([0.5, 0.0])}, 2).to_dict()
    assert {"k": 2} in [row for data in cut["datasets"].values() for row in data]
    zero = charts.products_chart({"a": np.array([1.0, -0.5, 0.0])}).to_dict()
    assert [row["size"] for data in zero["datasets"].values() for row in data] == [1, 0.5]


def _page(**state: object) -> AppTest:
    app = AppTest.from_string(CODE, default_timeout=60)
    for key, value in state.items():
        app.session_state[f"keep_bptt_{key}"] = value
    return app.run()


def _metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_the_page_is_filled_in(tiny_models: None) -> None:
    app = _page()
    assert not app.exception and not app.error
    assert app.title[0].value == "Training by steps"
    found = _metrics(app)
    assert found["Sum of the bars"] == found["PyTorch\u2019s autograd"]
    assert float(found["Difference"]) < 1e-12
    assert float(found["Difference from BPTT"]) < 1e-6
    assert len([b for b in app.button if b.key.startswith("check_")]) == 7
    app.selectbox(key="keep_bptt_weight").set_value("b[1]").run()
    assert _metrics(app)["Sum of the bars"] == _metrics(app)["PyTorch\u2019s autograd"] != found["Sum of the bars"]
    app.session_state["keep_bptt_rate"] = {"rate": 100.0, "updates": 2}
    app.selectbox(key="keep_bptt_network").set_value("tiny-lm").run()
    assert not app.exception and not app.error
    assert _metrics(app)["Loss after one update"] != found["Loss after one update"]


def test_odd_links_and_texts(tiny_models: None) -> None:
    odd = {"text": 1, "network": [], "cell": "x", "target": 2, "weight": None, "inputs": {}, "activation": 0}
    app = _page(**odd, rate={"rate": "x", "updates": 1e9}, back={"at": 10**9})
    assert not app.exception and not app.error
    app = _page(text=" ".join(STRANGE_TEXTS.values()), row=10**6, network="tiny-lm", cell="lstm")
    assert not app.exception and not app.error
    assert "first 300 characters" in app.info[0].value
    app = _page(text=" ")
    assert not app.exception and ["empty" in error.value for error in app.error] == [True]
    app = _page(text="one", inputs="x")
    assert not app.exception and ["number" in error.value for error in app.error] == [True]


def test_a_journey(page: Page, app_url: str) -> None:
    """Type a text, step back through the chain, pick a weight: the sum of its bars stays autograd's."""
    page.goto(f"{app_url}/training")
    said = page.locator(".rv-chain-said")
    expect(said).to_be_visible(timeout=SLOW)
    metric = page.locator("[data-testid=stMetric]")
    total = metric.filter(has_text="Sum of the bars").locator("[data-testid=stMetricValue]")
    expect(total).to_be_visible(timeout=SLOW)
    typed = total.inner_text()
    box = page.get_by_label("Text", exact=True)
    box.fill("one two three four")
    box.press("Enter")
    expect(said).to_contain_text("of 4", timeout=SLOW)
    expect(total).not_to_have_text(typed, timeout=SLOW)
    before = total.inner_text()
    page.get_by_role("combobox", name="The weight w").click()
    page.keyboard.type("W_x[1, 0]")
    expect(page.get_by_role("option")).to_have_count(1, timeout=SLOW)
    page.keyboard.press("Enter")
    expect(total).not_to_have_text(before, timeout=SLOW)
    autograd = metric.filter(has_text="autograd").locator("[data-testid=stMetricValue]")
    expect(autograd).to_have_text(total.inner_text(), timeout=SLOW)
    page.get_by_role("button", name="Restart").click()
    expect(said).to_contain_text("At the loss, before the way back")
    page.get_by_role("button", name="Next step").click()
    expect(said).to_contain_text("Step 4 of 4, input four")
    page.locator(".rv-chain-figure").press("End")
    expect(said).to_contain_text("Back through all 4 steps")
