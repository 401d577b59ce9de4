"""The little networks: their examples, their training, the shipped weights and what their cards say."""

import datetime
import json
from contextlib import closing

import numpy as np
import pytest
import torch

from rnnviz.errors import ConfigError, TextError
from rnnviz.lesson import little, little_dates, little_numbers, little_spaces
from rnnviz.lesson.little import NAMES, LittleRun, Recipe, card, fresh, shipped, task, train

TINY = Recipe(updates=4, batch_size=8, learning_rate=1e-3, seed=3)


@pytest.mark.parametrize(
    ("number", "cardinal", "ordinal"),
    [
        (0, "zero", "zeroth"),
        (3, "three", "third"),
        (12, "twelve", "twelfth"),
        (40, "forty", "fortieth"),
        (42, "forty-two", "forty-second"),
        (100, "one hundred", "one hundredth"),
        (619, "six hundred nineteen", "six hundred nineteenth"),
        (981, "nine hundred eighty-one", "nine hundred eighty-first"),
    ],
)
def test_names_of_numbers(number: int, cardinal: str, ordinal: str) -> None:
    assert little_numbers.spell(number) == cardinal
    assert little_numbers.spell(number, "ordinal") == ordinal
    x = little_numbers.vector(np.array([number, number]), np.array([False, True]))
    digits = [int(row.argmax()) for row in x[0, :30].view(3, 10)]
    assert digits == [int(c) for c in f"{number:03d}"]
    assert x[:, 30:].tolist() == [[1, 0], [0, 1]] and x.sum().item() == 8


@pytest.mark.parametrize("text", ["", "1000", "-1", "x", "1.5", "<script>", "\u0664\u0662", "\U0001f600"])
def test_what_is_no_number_is_one_sentence(text: str) -> None:
    with pytest.raises(TextError, match="from 0 to 999"):
        little_numbers.number_of(text)


def test_every_form_of_a_date() -> None:
    date = datetime.date(2021, 3, 2)
    assert [little_dates.written(date, form) for form in little_dates.FORMS] == [
        "2 march 2021",
        "march 2, 2021",
        "2nd of march 2021",
        "march 2nd, 2021",
        "2 mar 21",
        "mar 2 2021",
        "tuesday, 2 march 2021",
        "2.3.2021",
        "3/2/21",
        "3/2/2021",
    ]
    endings = {day: little_dates._ending(day) for day in (1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 30, 31)}
    assert "".join(endings.values()) == "stndrdthththth" + "stndrd" + "thst"
    last = little_dates.FIRST + datetime.timedelta(days=little_dates.DAYS - 1)
    assert last == datetime.date(2029, 12, 31)


def test_what_is_held_out_is_in_no_training_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = little_dates._parts()
    assert not set(parts["train"]) & (set(parts["test"]) | set(parts["validation"]))
    assert not set(parts["test"]) & set(parts["validation"])
    seen = []
    kept = little_dates._examples
    monkeypatch.setattr(little_dates, "_examples", lambda days, forms: seen.extend(days) or kept(days, forms))
    network = fresh(task("dates"), 0)
    task("dates").loss(network, torch.Generator().manual_seed(0), 64)
    assert len(seen) == 64
    assert not any(little_dates.held_out(little_dates.FIRST + datetime.timedelta(days=int(day))) for day in seen)
    numbers = little_numbers._parts()
    assert not set(numbers["train"]) & (set(numbers["test"]) | set(numbers["validation"]))


def test_padding_at_the_start_leaves_the_encoder_at_zero() -> None:
    network = shipped("dates")
    row = little_dates.encode("3/12/21")
    alone = network.encode(torch.tensor([row]))
    padded = network.encode(torch.tensor([[little_dates.PADDING] * 9 + row]))
    for one, other in zip(alone, padded, strict=True):
        assert torch.allclose(one, other, atol=1e-6) and one.abs().max() > 0.1
    hidden, _ = network.states(torch.tensor([[little_dates.PADDING] * 9 + row]))
    assert not hidden[0, :9].any()


def test_letters_and_where_words_begin() -> None:
    letters, begins = little_spaces.letters_of("O, don't\u2014GO!\n")
    assert letters == "odontgo"
    assert begins.tolist() == [True, True, False, False, False, True, False]
    with pytest.raises(TextError, match="no letter"):
        little_spaces.letters_of("\U0001f600 12 \u05e1")


def test_a_seed_decides_the_weights_and_torchs_own_generator_stays() -> None:
    state = torch.get_rng_state()
    one, same, other = (fresh(task("numbers"), seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])
    units = little_numbers.UNITS
    assert one["recurrent.bias_ih_l0"][units : 2 * units].eq(1).all()
    assert one["recurrent.bias_ih_l0"].sum() == units
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", NAMES)
def test_a_training_changes_the_weights_the_same_way_each_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(task(name)), "validate", lambda self, network: {"x": 0.5})
    ends = []
    for _ in range(2):
        with closing(train(task(name), TINY)) as steps:
            ends.append(list(steps))
    first, second = (run[-1].result.state_dict() for run in ends)
    assert [progress.update for progress in ends[0]] == [1, 2, 3, 4]
    assert all(torch.equal(first[key], second[key]) for key in first)
    begun = fresh(task(name), TINY.seed).state_dict()
    assert not torch.equal(first[next(reversed(first))], begun[next(reversed(begun))])
    assert ends[0][-1].looks[-1].share == 0.5 and np.isfinite(ends[0][-1].looks[-1].loss_nats)


def test_numbers_are_learned_at_all() -> None:
    recipe = Recipe(updates=40, batch_size=16, learning_rate=1e-2)
    losses, wanted = [], task("numbers")
    original = wanted.loss

    class Watched(type(wanted)):
        def loss(self, *arguments):
            losses.append(original(*arguments))
            return losses[-1]

        def validate(self, network):
            return {}

    with closing(train(Watched(), recipe)) as steps:
        for _ in steps:
            pass
    assert float(losses[-1].detach()) < 0.6 * float(losses[0].detach())


def test_a_run_can_be_stopped_and_leaves_no_network() -> None:
    run = LittleRun("numbers", Recipe(updates=20_000, batch_size=8, learning_rate=1e-3))
    while run.look() is None:
        pass
    run.stop()
    assert run.ended == "stopped" and run.progress.result is None
    with closing(train(task("numbers"), TINY)) as steps:
        assert not next(steps).waiting


@pytest.mark.parametrize(
    "wrong", [{"updates": 0}, {"updates": True}, {"batch_size": 5000}, {"learning_rate": 0.0}, {"seed": -1}]
)
def test_impossible_recipes(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        Recipe(**{"updates": 1, "batch_size": 1, "learning_rate": 0.1, **wrong})
    with pytest.raises(ConfigError, match="numbers, spaces, dates"):
        task("nothing")


@pytest.mark.parametrize("name", NAMES)
def test_cards_say_how_the_shipped_weights_were_made(name: str) -> None:
    found, recipe = card(name), task(name).recipe
    assert {key: found["recipe"][key] for key in vars(recipe)} == vars(recipe)
    assert found["weights"] == sum(weight.numel() for weight in shipped(name).parameters())
    assert found["data"] == task(name).data and found["command"].endswith(name)
    assert (little.WEIGHTS / f"{name}.safetensors").stat().st_size < 1_000_000
    assert found["validation"][-1]["update"] == recipe.updates


def test_the_numbers_card_is_true() -> None:
    found, told = task("numbers").score(shipped("numbers")), card("numbers")["test"]
    assert abs(found["right"] - told["right"]) <= 2
    assert found["tested"] == told["tested"] == 2 * little_numbers.TESTED
    worse = task("numbers").score(fresh(task("numbers"), 0))
    assert worse["right"] == 0


def test_the_dates_card_is_true_on_a_small_part() -> None:
    found, told = task("dates").score(shipped("dates"), 20), card("dates")["test"]
    assert found["tested"] == 20 * len(little_dates.FORMS)
    assert found["low"] <= told["accuracy"] <= found["high"]
    assert sum(one["tested"] for one in told["by_length"].values()) == told["tested"]


def test_the_spaces_card_is_true_on_a_small_part(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, labels = little_spaces._parts()["test"]
    parts = {"test": (ids[:4096], labels[:4096])}
    monkeypatch.setattr(little_spaces, "_parts", lambda: parts)
    found, told = task("spaces").score(shipped("spaces")), card("spaces")["test"]
    for name in little_spaces.NETWORKS:
        assert abs(found[name]["accuracy"] - told[name]["accuracy"]) < 0.02
    assert told["both_ways"]["low"] > told["one_way"]["high"]
    assert abs(told["both_ways"]["weights"] / told["one_way"]["weights"] - 1) < 0.01


def test_making_writes_weights_and_card(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(little, "WEIGHTS", tmp_path)
    monkeypatch.setattr(type(task("numbers")), "recipe", TINY)
    monkeypatch.setattr(type(task("numbers")), "score", lambda self, network: {"accuracy": 0.0})
    made = little.make("numbers")
    assert json.loads((tmp_path / "numbers.json").read_text()) == made
    assert made["recipe"]["updates"] == 4 and made["test"] == {"accuracy": 0.0}
    little.shipped.cache_clear()
    try:
        assert torch.isfinite(shipped("numbers").head.weight).all()
    finally:
        little.shipped.cache_clear()


def test_a_date_is_translated_step_by_step() -> None:
    network = shipped("dates")
    found = little_dates.translate(network, " 12th of March 2021 ")
    assert found.wrote == "2021-03-12"
    assert "".join(found.read[1:]) == found.wrote[:-1]
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    assert [little_dates.OUT[i] for i in found.probabilities.argmax(axis=1)] == list(found.wrote)
    assert sum(part.size for part in found.passed) == 2 * little_dates.UNITS
    given = little_dates.translate(network, "12th of March 2021", "1999")
    assert given.wrote.startswith("1999") and given.given == 4
    assert np.allclose(given.probabilities[0], found.probabilities[0])


def test_without_the_state_all_dates_are_one() -> None:
    network = shipped("dates")
    wrote = {little_dates.translate(network, text, keep=(False, False)).wrote for text in ("3/12/21", "1 May 1999")}
    assert len(wrote) == 1


@pytest.mark.parametrize("text", ["", "   ", "a" * 33])
def test_dates_that_cannot_be_read(text: str) -> None:
    with pytest.raises(TextError):
        little_dates.translate(shipped("dates"), text)
    with pytest.raises(TextError):
        little_dates.translate(shipped("dates"), "3/12/21", given="20x")
    with pytest.raises(TextError):
        little_dates.translate(shipped("dates"), "3/12/21", given="2021-03-12")


def test_only_the_network_that_reads_both_ways_knows_the_ending() -> None:
    letters, gaps = little_spaces.changed(shipped("spaces"), "The rest is silence", "There stands the king")
    assert letters == "therest"
    assert gaps["one_way"].max() < 1e-6
    assert gaps["both_ways"].max() > 0.5
    with pytest.raises(TextError, match="begin"):
        little_spaces.changed(shipped("spaces"), "one", "two")


def test_tags_and_spaces() -> None:
    found = little_spaces.tag(shipped("spaces"), "what light through yonder window breaks")
    assert found.spaced("both_ways") == "what light through yonder window breaks"
    assert found.right("both_ways") == len(found.letters) - 1
    with pytest.raises(TextError, match="at most"):
        little_spaces.tag(shipped("spaces"), "word " * 200)


def test_names_are_written_until_the_end_sign() -> None:
    found = little_numbers.write(shipped("numbers"), 21, "cardinal")
    assert found.text == "twenty-one" and found.ended and found.wrote[-1] == little_numbers.END
    assert found.read == (little_numbers.START, *found.wrote[:-1])
    hot = [little_numbers.write(shipped("numbers"), 21, "cardinal", 2.0, seed).text for seed in (0, 0, 1, 2, 3)]
    assert hot[0] == hot[1] and len(set(hot)) > 1
