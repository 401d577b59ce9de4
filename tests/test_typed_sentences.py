"""What people type, and the notes' two recipes beside ours: counted and told from what the models and cards say."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

import rnnviz
from rnnviz import checkpoints, session
from rnnviz.pages.sentiment.models import recipes
from rnnviz.pages.sentiment.typed_sentences import (
    LONGEST_OWN,
    MODELS,
    MOST_MODELS,
    MOST_OWN,
    OWN,
    SENTENCES,
    Typed,
    judged,
    own_sentences,
)
from rnnviz.record import predict
from rnnviz.recording import UNSURE
from rnnviz.training.ladder import ladder
from tests.conftest import STRANGE_TEXTS, tiny_classifier

CODE = (
    "import streamlit as st\nfrom rnnviz import session\nfrom rnnviz.pages.sentiment import typed_sentences\n"
    "session.keep_state()\nif not st.session_state.get('elsewhere'):\n    typed_sentences.render()\n"
)
SLOW = 60_000


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiny models in place of the shipped ones."""
    monkeypatch.setattr(checkpoints, "SHIPPED", tmp_path)
    monkeypatch.setenv("RNNVIZ_MODELS", str(tmp_path / "none"))
    for name in ("another", "imdb-gru-100", "imdb-lstm"):
        tiny_classifier(tmp_path / name, "gru" if "gru" in name else "lstm")
    tiny_classifier(tmp_path / "window", "feedforward", window=5)
    return tmp_path


def _view(**state: object) -> AppTest:
    app = AppTest.from_string(CODE, default_timeout=60)
    for key, value in state.items():
        app.session_state[key] = value
    app.run()
    assert not app.exception
    assert not app.error
    return app


def _counted(app: AppTest) -> str:
    (told,) = [one.value for one in app.markdown if one.value.startswith("Right:")]
    return told


def test_signs_give_labels_and_empty_lines_none() -> None:
    typed = own_sentences("+ good film\n\n  -bad\tone \n\u2212 worse\n plain + line\n+\n-  \n+<b>x</b>")
    expected = [("good film", True), ("bad one", False), ("worse", False), ("plain + line", None), ("<b>x</b>", True)]
    assert typed == [Typed(*one) for one in expected]


def test_the_fixed_sentences_are_balanced_and_hold_the_notes_pair() -> None:
    texts = {one.text: one.positive for one in SENTENCES}
    assert len(texts) == len(SENTENCES) == 12
    assert sum(texts.values()) == 6
    assert texts["Machine learning is easy not difficult"] and not texts["Machine learning is difficult not easy"]


@pytest.mark.parametrize(
    ("chance", "positive", "word"),
    [
        (0.61, True, "right"),
        (0.61, False, "wrong"),
        (0.39, False, "right"),
        (0.39, True, "wrong"),
        (UNSURE[0], True, "unsure"),
        (UNSURE[1], True, "unsure"),
        (0.5, None, "unsure"),
        (0.99, None, "positive"),
        (0.01, None, "negative"),
        (None, True, "no word to read"),
    ],
)
def test_an_answer_is_judged_as_everywhere_else(chance: float | None, positive: bool | None, word: str) -> None:
    assert judged(chance, positive) == word


def test_every_number_is_the_models_own_and_the_count_is_the_tables(models: Path) -> None:
    head = checkpoints.load(models / "imdb-lstm", device="cpu").network.head
    head.bias.data[:] = head.weight.new_tensor([0.0, 3.0])  # always positive
    lstm = checkpoints.load(models / "imdb-lstm", device="cpu")
    lstm.network.load_state_dict({**lstm.network.state_dict(), "head.bias": head.bias.data})
    checkpoints.save(models / "imdb-lstm", lstm.network, lstm.tokenizer, {})
    app = _view(**{OWN: "- a bad film\nthe plot\n+ ..."})
    assert app.multiselect[0].value == ["imdb-gru-100", "imdb-lstm"]
    assert set(app.multiselect[0].options) == {"another", "imdb-gru-100", "imdb-lstm"}, "none without a memory"
    table = app.dataframe[0].value
    assert list(table["sentence"]) == ["a bad film", "the plot", "...", *(one.text for one in SENTENCES)]
    assert list(table["label"][:4]) == ["negative", "\u2013", "positive", "positive"]
    for column, name in (("model 0", "imdb-gru-100"), ("model 1", "imdb-lstm")):
        model, right = session.load_model(name), []
        assert table[column][2] == "no word to read"
        for i in (0, 1, *range(3, 15)):
            chance = predict(model, table["sentence"][i]).final["positive"]
            label = {"negative": False, "positive": True, "\u2013": None}[table["label"][i]]
            assert table[column][i] == f"{chance:.1%}, {judged(chance, label)}"
            right += [judged(chance, label) == "right"] if label is not None else []
        assert len(right) == 13, "what has no word or no label is not counted"
        shown = name.replace("-", r"\-")
        assert f"**{shown}** on {sum(right)} of 13" in _counted(app)
    assert "**imdb\\-lstm** on 6 of 13. Who" in _counted(app), "it calls all of them positive"
    assert "always says \u201cpositive\u201d is right on 7 of 14" in _counted(app)


def test_what_was_typed_is_kept_and_frozen_parts_stand_still(models: Path) -> None:
    app = _view()
    before = _counted(app)
    app.text_area[0].set_value("+ <script>alert(1)</script> good").run()
    app.multiselect[0].set_value(["another"]).run()
    app.session_state["elsewhere"] = True
    assert not app.run().dataframe
    app.session_state["elsewhere"] = False
    app.run()
    assert app.multiselect[0].value == ["another"]
    assert app.dataframe[0].value["sentence"][0] == "<script>alert(1)</script> good"
    assert _counted(app) != before and " of 13" in _counted(app)
    app.session_state["frozen_parts"] = ("text", "model")
    app.run()
    assert app.text_area[0].disabled and app.multiselect[0].disabled


def test_strange_and_many_sentences(models: Path) -> None:
    text = "\n".join(f"+ {' '.join(text.split())}" for text in STRANGE_TEXTS.values()) + "\nfilm" * 40
    app = _view(**{OWN: text})
    table = app.dataframe[0].value
    assert len(table) == MOST_OWN + len(SENTENCES)
    assert max(map(len, table["sentence"])) == LONGEST_OWN
    assert [info.value[:12] for info in app.info] == ["There are 46", "Of each line"]


@pytest.mark.parametrize("kept", [5, "imdb-lstm", [1, {"a": 2}], ["gone", "another", "another"], {"a": 1}], ids=repr)
def test_a_link_may_hold_anything(models: Path, kept: object) -> None:
    for i in range(MOST_MODELS + 2):
        tiny_classifier(models / f"m{i}")
    app = _view(**{MODELS: kept, OWN: kept})
    known = ["imdb-gru-100", "imdb-lstm"]
    assert app.multiselect[0].value == (known if not isinstance(kept, list) else ["another"] if "gone" in kept else [])
    app = _view(**{MODELS: [f"m{i}" for i in range(MOST_MODELS + 2)]})
    assert len(app.multiselect[0].value) == MOST_MODELS


def test_a_damaged_model_is_named_and_the_others_read_on(models: Path) -> None:
    (models / "imdb-lstm" / checkpoints.WEIGHTS).write_bytes(b"")
    app = _view()
    assert any("Left out: imdb\\-lstm" in caption.value for caption in app.caption)
    assert list(app.dataframe[0].value.columns) == ["sentence", "model 0", "label"]
    for path in models.iterdir():
        (path / checkpoints.WEIGHTS).unlink(missing_ok=True)
    app = _view()
    assert not app.dataframe and not app.multiselect


CARDS = {
    "imdb-rnn-100": {
        "model": {"vocab_size": 10_000, "embedding_size": 100, "hidden_size": 100, "dropout": 0.0},
        "training": {
            "batch_size": 128,
            "optimizer": "sgd",
            "epochs": 2.0,
            "max_length": 500,
            "clip": 1.0,
            "learning_rate": 0.01,
        },
    },
    "imdb-rnn-dense": {
        "model": {"vocab_size": 10_000, "embedding_size": 100, "hidden_size": 64, "dense_size": 64, "num_outputs": 2},
        "training": {"optimizer": "adamw", "learning_rate": 0.002, "epochs": 2.0, "prefix_loss": 0.2},
    },
}


def _card(folder: Path, name: str, test: object, **changes: dict) -> None:
    """Write a model folder with a card, no weights."""
    card = json.loads(json.dumps(CARDS[name]))
    for part, values in changes.items():
        card.setdefault(part, {}).update(values)
    card["data"] = {"source": "IMDB Large Movie Review Dataset", "train_texts": 22_253}
    card["test"] = {"accuracy": test, "texts": 25_000}
    model = tiny_classifier(folder / name, "rnn_tanh")
    checkpoints.save(folder / name, model.network, model.tokenizer, card)


def test_the_notes_recipes_are_told_from_the_cards(models: Path) -> None:
    assert recipes(ladder()[0]) == []
    _card(models, "imdb-rnn-100", 0.5021)
    _card(models, "imdb-rnn-dense", 0.8474)
    first, second = recipes(ladder()[0])
    assert r"58.8 %; ours, imdb\-rnn\-100, gets 50.21 % with the same settings: not reproduced." in first
    assert "uniform within \u00b10.1; Keras\u2019 are orthogonal" in first
    assert "22,253 of the 25,000 training reviews, learned at rate 0.01" in first and "dropout" not in first
    assert "not run as it stands" in second and "84.74 %" in second
    assert (
        "10,000 words in place of 1,000, embedding 100 in place of 64, 2 outputs in place of 1, AdamW in place of SGD, "
        "learning rate 0.002 in place of 0.001 and 2 epochs in place of 512." in second
    )
    assert "20% of the loss" in second and "clipped" not in second


def test_other_cards_give_other_sentences(models: Path) -> None:
    _card(models, "imdb-rnn-100", 0.581, training={"optimizer": "<b>", "batch_size": 32, "epochs": "many"})
    _card(models, "imdb-rnn-dense", "much")
    (first,) = recipes(ladder()[0])
    assert r"gets 58.10 % with batch 32 in place of 128 and \<b\> in place of SGD: reproduced." in first


def test_the_shipped_cards_bear_the_sentences_out() -> None:
    told = recipes(ladder()[0])
    assert len(told) == 2
    assert "with the same settings: not reproduced" in told[0]
    config = rnnviz.load("imdb-rnn-dense", device="cpu").config
    assert (config.cell_type, config.hidden_size, config.dense_size, config.pooling) == ("rnn_tanh", 64, 64, "last")


def test_typing_a_sentence_in_a_browser(page: Page, app_url: str) -> None:
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{app_url}/sentiment")
    page.get_by_role("radio", name="Models", exact=True).click(timeout=SLOW)
    expect(page.get_by_text("not reproduced")).to_be_visible(timeout=SLOW)
    counted = page.locator("p", has_text="Right: imdb-lstm-pretrained")
    model = rnnviz.load("imdb-lstm-pretrained", device="cpu")
    words = [judged(predict(model, one.text).final["positive"], one.positive) for one in SENTENCES]
    expect(counted).to_contain_text(f"imdb-lstm-pretrained on {words.count('right')} of 12", timeout=SLOW)
    box = page.get_by_label("Your own sentences, one a line")
    box.fill("- what a terrible waste of time\n<b>so so</b>")
    box.press("Control+Enter")
    assert predict(model, "what a terrible waste of time").final["positive"] < UNSURE[0]
    expect(counted).to_contain_text(f"imdb-lstm-pretrained on {words.count('right') + 1} of 13", timeout=SLOW)
    expect(page.get_by_text("so so")).to_have_count(1)  # in the box: the table is a picture
    assert not wrong
