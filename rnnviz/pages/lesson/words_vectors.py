"""From an id to a vector: one-hot rows, look-ups, masks, and the neighbours of a word in a trained table."""

from __future__ import annotations

import streamlit as st

from rnnviz import session
from rnnviz.charts.order import table_html
from rnnviz.charts.text import as_text, visible
from rnnviz.charts.vectorizer import neighbours_chart, product_html
from rnnviz.checkpoints import Model
from rnnviz.components.lines import lines
from rnnviz.components.question import ask
from rnnviz.errors import ConfigError
from rnnviz.lesson.order import words_of
from rnnviz.lesson.questions import Choice, Number
from rnnviz.lesson.references import cite
from rnnviz.lesson.words_vectors import (
    Neighbours,
    cost,
    embedding_lines,
    means,
    neighbours,
    one_hot,
    read_ids,
    read_table,
    similarity,
)
from rnnviz.pages.sentiment import choice

TABLE, IDS, LENGTH = "keep_words_table", "keep_words_ids", "keep_words_padded"
NEAR_MODEL, NEAR_OTHER, NEAR_WORD, NEAR_COUNT = (
    "keep_words_near_model",
    "keep_words_near_other",
    "keep_words_near_word",
    "keep_words_near_count",
)
TABLE_EXAMPLE = "0.5 0.5 0.5\n0 0.1 -0.2\n0.9 -0.4 0.2\n-0.7 0.3 1.1\n0.2 0.8 -0.6"
_FIRST_OTHER = "imdb-gru-100"
_MOST_LENGTH = 24


@st.fragment
@session.guarded
def render() -> None:
    """Draw one-hot rows, look-ups and masks."""
    st.header("One-hot against embedding")
    st.write(
        "An id is a name, not a size: word 4 is not twice word 2. So the network is given a vector. One way is the "
        "one-hot row, as long as the vocabulary, with a single 1. Multiply it with a table of weights, and the product "
        "is a row of that table. An embedding takes that row straight away."
    )
    left, right = st.columns(2)
    text = _box(left.text_area, "Embedding, a row a token: padding, unknown, then words", TABLE, TABLE_EXAMPLE)
    written = _box(right.text_input, "Ids of a text", IDS, "3 2 4")
    table = read_table(text)
    ids = read_ids(written, len(table))
    key = session.within("keep_words_step", 1, 12, 1)
    st.session_state[key] = min(int(st.session_state[key]), len(ids))
    step = right.number_input("Step whose product is shown", 1, len(ids), step=1, key=key)
    row = one_hot(ids, len(table))[step - 1]
    names = [f"{i} {name}" for i, name in enumerate(["padding", "unknown", *["word"] * (len(table) - 2)])]
    st.latex(rf"e_{{{ids[step - 1]}}}^\top E = \text{{row }}{ids[step - 1]}\text{{ of }}E")
    st.html(product_html(row, table, names))
    equal = bool(((one_hot(ids, len(table)) @ table) == table[ids]).all())
    st.caption(
        "Look at the sums in the last line: every product but those of the outlined row is 0, so they are that row. "
        f"Over all {len(ids)} steps, product and look-up are {'equal to the last bit' if equal else 'not equal'} "
        "(float64). Colour: tanh of the table\u2019s number, blue low, red high."
    )
    _ask_cost()
    _mask(table, ids)


def _box(widget: object, label: str, key: str, first: str) -> str:
    more = {"height": 160} if widget.__name__ == "text_area" else {}
    return widget(label, key=session.typed(key, first), disabled=session.frozen("text"), **more)


def _ask_cost() -> None:
    """Ask what the product costs at a size that people use."""
    few, short = 1_000, 8
    tokens, vocabulary, features = 500, 10_000, 100
    found = cost(tokens, vocabulary, features)

    def reveal() -> None:
        rows = [
            ("one-hot rows times the table", f"{found.one_hot_numbers:,}", f"{found.one_hot_products:,}"),
            ("look-up by id", f"{found.lookup_numbers:,}", f"{found.lookup_products:,}"),
        ]
        head = ("way", "numbers that hold the text", "multiplications")
        st.html(table_html(head, rows, f"A review of {tokens} words, {vocabulary:,} ids, vectors of {features}"))
        st.caption("Look at the ratio: the look-up is the same function at no multiplication at all.")

    ask(
        Number(
            "words-cost",
            f"A single one-hot row for {few:,} ids times a table with vectors of {short} numbers: how many "
            "multiplications is that, written out?",
            "Each of the row\u2019s numbers meets each feature once. All but one row of the table is multiplied by 0. "
            "Keras\u2019 `Embedding(input_dim, output_dim)` and PyTorch\u2019s `nn.Embedding(num_embeddings, "
            "embedding_dim)` copy the row instead; its weights are learnt all the same, row by row as words are read.",
            float(few * short),
        ),
        reveal=reveal,
    )


def _mask(table: object, ids: list[int]) -> None:
    """A mean over a padded text, with the padding and without."""
    st.markdown("**mask_zero: what padding does to a mean**")
    key = session.whole(LENGTH, len(ids), _MOST_LENGTH, max(8, len(ids)))
    length = st.slider("Padded length (output_sequence_length)", len(ids), _MOST_LENGTH, key=key)
    padded, whole, masked = means(table, ids, length)
    real = int((padded != 0).sum())
    _ask_mask()
    steps = [("id", *map(str, padded.tolist())), ("mask", *("true" if one else "false" for one in padded))]
    st.html(table_html(("step", *map(str, range(1, length + 1))), steps, f"{real} real words in {length} places"))
    rows = [
        (name, *(f"{number:+.4f}".replace("-", "\u2212") for number in mean))
        for name, mean in (("all rows", whole), ("rows where the mask is true", masked))
    ]
    head = ("mean of", *(f"feature {i}" for i in range(1, len(whole) + 1)))
    st.html(table_html(head, rows, "The mean of the text\u2019s vectors", lit=(1,)))
    st.caption("Move the slider and look: the first mean goes towards the padding\u2019s own row, the second stays.")
    st.write(
        "In Keras `mask_zero=True` changes no vector: it sends the mask, true or false for each step, along to the "
        "layers above, and those that know masks leave the false steps out (a recurrent layer keeps its state over "
        "them). Row 0 is a row like any other there. PyTorch\u2019s `padding_idx=0` is something else: it makes that "
        "row zero and never trains it, and the mask is yours to apply."
    )
    lines(*embedding_lines(table, ids, length), note="The products, the look-ups, then the two means; float64.")


def _ask_mask() -> None:
    ask(
        Choice(
            "words-mask",
            "A text of 4 words is padded to 16, the padding\u2019s row is all zeros, and the vectors are averaged over "
            "all 16 places without a mask. The mean is \u2026",
            f"Twelve of sixteen addends are zero, and the sum is divided by 16 in place of 4: {4 / 16:g} of the true "
            "mean. A short text would look like a weak one. With the mask, padding counts neither above nor below.",
            ("the true mean", "half of the true mean", "a quarter of the true mean", "zero"),
            2,
        )
    )


@st.fragment
@session.guarded
def near() -> None:
    """Draw the neighbours of a word."""
    st.header("Nearest words in a trained embedding")
    st.write(
        "Training moves each row of the table to where it serves the network\u2019s task. Words whose vectors point "
        "the same way are the same thing to the network. Which those are depends on what it was trained for."
    )
    models = _two_models()
    left, right = st.columns(2)
    text = _box(left.text_input, "Word", NEAR_WORD, "director")
    key = session.within(NEAR_COUNT, 3, 20, 10)
    st.session_state[key] = int(st.session_state[key])
    count = right.slider("Neighbours", 3, 20, key=key)
    if not text.strip():
        raise ConfigError("Type one word to find its neighbours.")
    _ask_near(models)
    for column, model in zip(st.columns(len(models)), models, strict=True):
        with column:
            _neighbourhood(model, text, count)


def _two_models() -> list[Model]:
    names = session.model_names("classifier")
    first = next((name for name in choice.BEST_FIRST if name in names), names[0])
    other = _FIRST_OTHER if _FIRST_OTHER in names else names[-1]
    frozen = session.frozen("model")
    left, right = st.columns(2)
    one = left.selectbox("Network", names, key=session.fitting(NEAR_MODEL, names, first), disabled=frozen)
    two = right.selectbox("Beside it", names, key=session.fitting(NEAR_OTHER, names, other), disabled=frozen)
    return [session.load_model(name) for name in dict.fromkeys((one, two))]


def _ask_near(models: list[Model]) -> None:
    """Ask which word is nearest in the first network; judged by the table itself."""
    model = models[0]
    compare = "compare the two networks below" if len(models) > 1 else "choose another network beside it and compare"
    word, others = "good", ("great", "bad", "the", "film")
    if any(place < 2 for place in model.tokenizer.ids([word, *others]).tolist()):
        return
    found = similarity(model, word, others)
    told = ", ".join(f"{other} {cosine:+.2f}" for other, cosine in zip(others, found, strict=True))
    ask(
        Choice(
            "words-near",
            f"Which of these is nearest to \u201c{word}\u201d in the embedding of {as_text(model.name)}?",
            f"The cosines are {told}. Vectors learnt from plain text put a word beside whatever stands in the same "
            f"places, opposites among them ({cite('mikolov2013')}); a table trained to tell good reviews from bad ones "
            f"has every reason to draw opposites apart: {compare}.".replace("-", "\u2212"),
            others,
            found.index(max(found)),
        )
    )


@session.guarded
def _neighbourhood(model: Model, text: str, count: int) -> None:
    """The neighbours, in one network, of the first word of a text as that network reads it."""
    (word, *_), whole = words_of(model, text)
    if whole > 1:
        st.info(f"One word is looked for, the first: {as_text(visible(word))}.")
    column, size = choice.followed(model), model.config.embedding_size
    label = visible(model.config.labels[column])
    found: Neighbours = session.kept(neighbours, model, word, count, column)
    st.markdown(f"**{as_text(model.name)}**{_trained(model)}")
    chart = neighbours_chart(found.words, found.points, found.cosines, found.log_odds, found.shares, label)
    st.altair_chart(chart, width="stretch")
    rows = [
        (visible(one), f"{cosine:.3f}", f"{odds:+.2f}".replace("-", "\u2212"))
        for one, cosine, odds in zip(found.words, found.cosines.tolist(), found.log_odds.tolist(), strict=True)
    ]
    head = ("word", "cosine", f"log-odds of {label}, alone")
    st.html(table_html(head, rows, f"Nearest of {found.vocabulary:,} words", lit=(0,)))
    st.caption(
        "Look at the words, then at the colours; the diamond is the word itself. Near means alike in what the "
        "network does with them; in a classifier of sentiment that is often nothing but how good or bad a review "
        f"becomes by the word. Among {found.vocabulary:,} random vectors of {size} numbers the nearest has a cosine "
        f"above {found.by_chance:.2f} as often as not, so what is not above that says little. The plane shows "
        f"{sum(found.shares):.0%} of these words\u2019 variance: trust the cosines, not the distances."
    )


def _trained(model: Model) -> str:
    epochs = (model.card.get("training") or {}).get("pretrain_epochs")
    if not isinstance(epochs, float | int):
        return ""
    told = "trained to guess the next word first, then to classify" if epochs else "trained to classify alone"
    return f" ({told})"
