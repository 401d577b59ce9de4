"""Journeys in a real browser: type, click, read; nothing leaves the machine; text stays text."""

import json
import re
from urllib.parse import urlparse

import pytest
from playwright.sync_api import Page, expect

import rnnviz
from rnnviz import session
from rnnviz.record import predict

SLOW = 60_000


def _open(page: Page, url: str, title: str) -> list[str]:
    """Open a page, wait until it is filled in; returns a growing list of what went wrong."""
    wrong: list[str] = []
    host = urlparse(url).netloc
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if urlparse(request.url).netloc in (host, "") or request.url.startswith(("data:", "blob:"))
            else wrong.append(f"asked for {request.url}")
        ),
    )
    page.goto(url)
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=SLOW)
    return wrong


def _type(page: Page, label: str, text: str) -> None:
    """Type as a person does: into the box, then Ctrl+Enter."""
    box = page.get_by_label(label, exact=True)
    box.click()
    box.fill("")
    box.press_sequentially(text) if len(text) < 200 else box.fill(text)
    box.press("Control+Enter")


def test_gradients_type_and_read_the_half_lives(page: Page, app_url: str) -> None:
    wrong = _open(page, f"{app_url}/gradients", "Gradients")
    metrics = page.locator(".rv-life b")
    expect(metrics).to_have_count(3, timeout=SLOW)
    before = metrics.all_inner_texts()
    _type(page, "Text", "a b c d e f g h i j k l m n o p")
    expect(metrics.nth(1)).not_to_have_text(before[1], timeout=SLOW)
    lives = [float(text.split()[0]) for text in metrics.all_inner_texts()]
    assert lives[1] > lives[0], "an LSTM remembers longer than a tanh RNN"
    expect(
        page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg").first
    ).to_be_visible()
    assert not wrong


def test_a_knob_moves_the_half_life_and_the_line(page: Page, app_url: str) -> None:
    wrong = _open(page, f"{app_url}/gradients", "Gradients")
    lives = page.locator(".rv-life")
    rnn = lives.filter(has_text="RNN (tanh)").locator("b")
    lstm = lives.filter(has_text="LSTM").locator("b")
    line = page.locator("[data-testid=stVegaLiteChart] .mark-line path").first
    expect(line).to_be_visible(timeout=SLOW)
    before, drawn, kept = rnn.inner_text(), line.get_attribute("d"), lstm.inner_text()
    scale = page.get_by_label("Scale of W_hh")
    scale.focus()
    scale.press("PageDown")
    expect(rnn).not_to_have_text(before, timeout=SLOW)
    assert float(rnn.inner_text().split()[0]) < float(before.split()[0])
    expect(line).not_to_have_attribute("d", drawn)
    scale.press("Home")
    expect(page.get_by_text("\u03bb = 0.06")).to_be_visible(timeout=SLOW)
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(rnn).to_have_text(before, timeout=SLOW)
    bias = page.get_by_label("Forget-gate bias")
    bias.focus()
    bias.press("End")
    expect(lstm).not_to_have_text(kept, timeout=SLOW)
    assert rnn.inner_text() == before
    assert not wrong


@pytest.mark.parametrize("view", ["On your text", "Jacobians", "Weights", "Warm-up", "What is learned"])
def test_every_view_of_gradients_opens(view: str, page: Page, app_url: str) -> None:
    wrong = _open(page, f"{app_url}/gradients", "Gradients")
    page.get_by_role("radio", name=view, exact=True).click()
    drawn = page.locator(".rv-text, [data-testid=stVegaLiteChart] svg, [data-testid=stVegaLiteChart] canvas").first
    if view == "What is learned":
        drawn = page.get_by_role("button", name="Train")
    expect(drawn).to_be_visible(timeout=SLOW)
    assert not wrong


def _wait_read(page: Page, text: str) -> None:
    """Wait until the live view shows all answers to a text."""
    page.wait_for_function("length => window.read.at(-1) === length", arg=len(text), timeout=SLOW)


def _chance(page: Page, model: str) -> float:
    """The probability that a model's card gives."""
    return float(re.sub(r"[^0-9.]", "", page.locator(f"[data-model='{model}'] .rv-chance").inner_text())) / 100


def _line_end(page: Page, model: str) -> float:
    """The probability at which a model's line ends, read off the axis."""
    end = float(page.locator(f"[data-model='{model}'] .rv-end").get_attribute("cy"))
    half = float(page.locator(".rv-half").get_attribute("y1"))
    zero = float(page.locator(".rv-chances .rv-axis").first.get_attribute("y2"))
    return (zero - end) / (zero - half) / 2


def test_sentiment_is_read_while_it_is_typed_and_kept_between_views(page: Page, app_url: str) -> None:
    page.add_init_script(
        "window.read = []; addEventListener('rnnviz:painted', (e) => window.read.push(e.detail.length));"
    )
    wrong = _open(page, f"{app_url}/sentiment", "Sentiment")
    box = page.get_by_label("Review", exact=True)
    expect(box).to_have_value(session.EXAMPLES["review"], timeout=SLOW)
    box.fill("")
    expect(page.get_by_text("The text is empty: type a review")).to_be_visible(timeout=SLOW)
    names = page.locator(".rv-chance-card").evaluate_all("cards => cards.map((card) => card.dataset.model)")
    models, text = [rnnviz.load(name, device="cpu") for name in names], ""
    for word in ("I", " hated", " this", " terrible", " film", " zzyzx", " <script>"):
        page.keyboard.type(word)
        text += word
        _wait_read(page, text)
        for model in models:
            expected = predict(model, text).final["positive"]
            assert _chance(page, model.name) == pytest.approx(expected, abs=1.1e-3)
            assert _line_end(page, model.name) == pytest.approx(expected, abs=1e-3)
    assert max(_chance(page, name) for name in names) < 0.4
    strange = page.locator(".rv-under .rv-unknown")
    expect(strange).to_have_text("zzyzx")
    assert "repeating-linear-gradient" in strange.evaluate("word => getComputedStyle(word).backgroundImage")
    page.get_by_text("What the tokenizer did to the text").click()
    expect(page.locator(".rv-token")).to_have_text(
        [re.compile(rf"^{token}") for token in ("i", "hated", "this", "terrible", "film", "zzyzx1 \\[UNK\\]")]
    )
    page.get_by_role("application").press("Home")
    expect(page.locator(".rv-here")).to_have_text("I")
    word = page.locator(".rv-w", has_text="terrible")
    word.scroll_into_view_if_needed()
    place = word.bounding_box()
    page.mouse.move(place["x"] + 8, place["y"] + 8)
    expect(page.locator(".rv-review-read")).to_have_text(re.compile(r"Word 4, “terrible”: .* moved by −\d\.\d\d nats"))
    expect(page.locator(".rv-cursor circle")).to_have_count(len(names))
    page.get_by_label(names[1], exact=True).uncheck()
    expect(page.locator(".rv-chance-line")).to_have_count(1)
    shown = page.locator(".rv-chance").inner_text()
    box.press("End")
    page.keyboard.type("!")
    page.get_by_role("radio", name="Words", exact=True).click()
    expect(page.locator(".rv-review")).to_have_count(0, timeout=SLOW)
    expect(box).to_have_value(f"{text}!", timeout=SLOW)
    page.get_by_role("radio", name="Live", exact=True).click()
    expect(page.locator(".rv-over")).to_have_value(f"{text}!", timeout=SLOW)
    expect(page.locator(".rv-chance-line")).to_have_count(1, timeout=SLOW)
    expect(page.locator(".rv-chance")).to_have_text(shown, timeout=SLOW)
    assert page.title() != "owned"
    assert not wrong


@pytest.mark.parametrize("path", ["/gradients", "/sentiment"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_of_a_narrow_screen(path: str, width: int, page: Page, app_url: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{app_url}{path}")
    expect(page.locator("h1")).to_be_visible(timeout=SLOW)
    if path == "/sentiment":
        page.get_by_label("Review", exact=True).fill("a film of " + "long" * 100)
        expect(page.locator(".rv-under .rv-unknown")).to_be_visible(timeout=SLOW)
    page.wait_for_timeout(2000)
    sizes = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert sizes[0] <= sizes[1], json.dumps(sizes)
