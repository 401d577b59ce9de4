"""Tokenizers: any Unicode goes in and comes out; Keras' options; unknown tokens stay visible."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.errors import ConfigError, TextError
from rnnviz.text import CharTokenizer, WordTokenizer, pad, read, tokenizer_from_dict

ANY_TEXT = st.text(st.characters(categories=("L", "M", "N", "P", "S", "Z", "C")), min_size=1)


@given(ANY_TEXT)
def test_characters_round_trip(text: str) -> None:
    tokenizer = CharTokenizer.fit(text)
    ids = tokenizer.encode(text)
    assert len(ids) == len(text) == len(tokenizer.tokens(text))
    assert tokenizer.decode(ids) == text
    assert tokenizer.unknown(text) == (["\ufffd"] if "\ufffd" in text else [])


@given(ANY_TEXT, ANY_TEXT)
def test_unknown_characters_are_id_0_and_named(known: str, text: str) -> None:
    tokenizer = CharTokenizer.fit(known)
    strange = [c for c, i in zip(text, tokenizer.encode(text), strict=True) if i == 0]
    assert set(strange) == set(tokenizer.unknown(text))
    assert not set(strange) & (set(known) - {"\ufffd"})


def test_characters_rank_by_frequency_and_drop_the_rare() -> None:
    assert CharTokenizer.fit("aabbbc").vocabulary == ("\ufffd", "b", "a", "c")
    assert CharTokenizer.fit("aabbbc", min_count=2).vocabulary == ("\ufffd", "b", "a")


def test_empty_text_is_one_sentence() -> None:
    with pytest.raises(TextError, match="empty"):
        CharTokenizer.fit("a").encode("")
    with pytest.raises(TextError, match="no word"):
        WordTokenizer.fit(["a"]).encode(" ... <br /> ")


@given(ANY_TEXT)
def test_words_never_fail_but_for_want_of_one(text: str) -> None:
    tokenizer = WordTokenizer.fit(["a film"])
    try:
        ids = tokenizer.encode(text)
    except TextError:
        return
    assert len(ids) == len(tokenizer.tokens(text)) > 0
    assert all("".join(token.split()) == token for token in tokenizer.tokens(text))


def test_standardize_html_contractions_and_pictographs() -> None:
    tokenizer = WordTokenizer.fit(["x"])
    assert tokenizer.tokens("It wasn\u2019t GOOD.<br /><br />Don't, 'quoted' well-made; 3 < 4!") == [
        "it", "wasn't", "good", "don't", "quoted", "well", "made", "3", "4",
    ]  # fmt: skip
    assert tokenizer.tokens("great\U0001f600film") == ["great", "\U0001f600", "film"]
    assert tokenizer.tokens("\u2764\ufe0f \U0001f44d\U0001f3fd") == ["\u2764", "\U0001f44d"]
    assert tokenizer.tokens("&amp; good&quot; don&#39;t `so` 2^3 a < b") == [
        "good", "don't", "so", "2", "3", "a", "b",
    ]  # fmt: skip
    assert tokenizer.tokens("\u0939\u093f\u0928\u094d\u0926\u0940") == ["\u0939\u093f\u0928\u094d\u0926\u0940"]


@pytest.mark.parametrize(
    ("standardize", "expected"),
    [
        ("lower_and_strip_punctuation", ["a", "b", "c"]),
        ("lower", ["a,", "b.", "c"]),
        ("strip_punctuation", ["A", "b", "C"]),
        (None, ["A,", "b.", "C"]),
        (lambda text: text.replace("b", "zz"), ["A,", "zz.", "C"]),
    ],
)
def test_standardize_options(standardize: object, expected: list[str]) -> None:
    assert WordTokenizer([], standardize=standardize).tokens("A, b. C") == expected


def test_split_ngrams_and_lengths() -> None:
    assert WordTokenizer([], split="character").tokens("a b") == ["a", " ", "b"]
    assert WordTokenizer([], ngrams=3).tokens("a b c") == ["a", "b", "c", "a b", "b c", "a b c"]
    options = {"output_sequence_length": 2}
    assert WordTokenizer([], **options).tokens("a b c") == ["a", "b"]
    assert WordTokenizer([], **options, truncating="pre").tokens("a b c") == ["b", "c"]
    assert WordTokenizer(["a"], **options).encode("a").tolist() == [2, 0]
    assert WordTokenizer(["a"], **options, padding="pre").encode("a").tolist() == [0, 2]


def test_max_tokens_counts_padding_and_unknown() -> None:
    tokenizer = WordTokenizer.fit(["b b a a c"], max_tokens=4)
    assert tokenizer.vocabulary == ("", "[UNK]", "a", "b")
    assert tokenizer.encode("a c b").tolist() == [2, 1, 3]
    assert tokenizer.unknown("a c b c") == ["c"]
    assert tokenizer.decode([2, 1, 0]) == "a [UNK]"
    with pytest.raises(ConfigError, match="max_tokens"):
        WordTokenizer.fit(["a"], max_tokens=2)


def test_the_lecture_notes_sentence() -> None:
    tokenizer = WordTokenizer.fit(["this was an absolutely terrible movie"])
    assert len(tokenizer.encode("This was an absolutely terrible movie.")) == 6


@pytest.mark.parametrize(
    "tokenizer",
    [CharTokenizer.fit("ab\u2028\ud800"), WordTokenizer.fit(["a b", "don't"], ngrams=2, output_sequence_length=5)],
)
def test_tokenizers_survive_json(tokenizer: CharTokenizer | WordTokenizer) -> None:
    again = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert again.to_dict() == tokenizer.to_dict()
    assert np.array_equal(again.encode("a b"), tokenizer.encode("a b"))


def test_bad_vocabularies_are_refused() -> None:
    for values in ({}, {"kind": "x"}, {"kind": "character"}, {"kind": "character", "characters": ["ab"]}, []):
        with pytest.raises(ConfigError):
            tokenizer_from_dict(values)
    with pytest.raises(ConfigError, match="unexpected"):
        tokenizer_from_dict({"kind": "word", "words": [], "colour": 1})
    with pytest.raises(ConfigError, match="twice"):
        WordTokenizer(["a", "a"])
    with pytest.raises(ConfigError, match="function"):
        WordTokenizer([], standardize=str.upper).to_dict()


@pytest.mark.parametrize("padding", ["post", "pre"])
def test_padding_is_masked(padding: str) -> None:
    tokenizer = WordTokenizer(["a", "b"], output_sequence_length=5, padding=padding)
    ids, tokens = read(tokenizer, "a zz b")
    assert ids.tolist() == [2, 1, 3]
    assert tokens == ["a", "zz", "b"]
    assert read(CharTokenizer(["a"]), "za")[0].tolist() == [0, 1]


def test_pad() -> None:
    ids, lengths = pad([np.array([1]), np.array([2, 3])])
    assert ids.tolist() == [[1, 0], [2, 3]]
    assert lengths.tolist() == [1, 2]
