"""Training: the loop learns, and a killed run goes on as if nothing had happened."""

import itertools
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import rnnviz
from rnnviz.config import TrainConfig
from rnnviz.errors import CheckpointError, ConfigError, DataError, SaveError
from rnnviz.training.batches import Buckets, Streams, by_length
from rnnviz.training.datasets import CharCorpus, TextCorpus, Texts
from rnnviz.training.job import RESUME, Job
from rnnviz.training.loop import learning_rate
from rnnviz.training.pretraining import NextWord
from rnnviz.training.scores import calibration_error, score_classifier, score_language_model
from tests.conftest import ROOT, tiny_classifier, tiny_language_model

SHAPE = {"cell_type": "lstm", "embedding_size": 8, "hidden_size": 16, "num_layers": 2, "dropout": 0.3}


def _char_corpus() -> CharCorpus:
    text = "abcab cabca bcabc. " * 400
    return CharCorpus(text, text[:1000], {"source": "made up"})


def _text_corpus() -> TextCorpus:
    rng = np.random.default_rng(0)
    fillers = np.array(["the", "film", "was", "a", "thing", "we", "saw", "on", "one", "day", "in", "town"])
    texts, labels = [], rng.integers(2, size=400)
    for label in labels:
        words = list(rng.choice(fillers, rng.integers(3, 30)))
        words.insert(int(rng.integers(len(words))), ["bad", "good"][label])
        texts.append(" ".join(words))
    train, validation = Texts(tuple(texts[:300]), labels[:300]), Texts(tuple(texts[300:]), labels[300:])
    return TextCorpus(train, validation, None, ("negative", "positive"), {"source": "made up"})


def _config(**values: object) -> TrainConfig:
    defaults = {"batch_size": 8, "bptt": 16, "validate_every": 20, "save_every": 7, "warmup_steps": 5}
    return TrainConfig(**{**defaults, **values})


def test_a_character_model_learns_a_rhythm(tmp_path: Path) -> None:
    job = Job(tmp_path / "m", _char_corpus(), {**SHAPE, "dropout": 0.0}, _config(epochs=4, learning_rate=1e-2))
    steps = list(job.steps())
    assert steps[0].loss_nats > 1.4
    assert min(step.score.loss_nats for step in steps if step.score) < 0.3
    assert rnnviz.load(tmp_path / "m").card["training"]["best_step"] == job.trainer.best_step


@pytest.mark.parametrize("cell_type", ["gru", "gru_textbook", "residual"])
def test_a_word_model_learns_to_find_a_word(cell_type: str, tmp_path: Path) -> None:
    shape = {**SHAPE, "cell_type": cell_type, "num_layers": 1, "dropout": 0.0, "pooling": "max"}
    config = _config(epochs=12, learning_rate=1e-2, prefix_loss=0.2)
    *_, last = Job(tmp_path / "m", _text_corpus(), shape, config).steps()
    assert last.score.accuracy > 0.9


_EVERYTHING = {"pretrain_epochs": 0.3, "average": 0.9}


@pytest.mark.parametrize(
    ("make", "shape", "settings"),
    [
        (_char_corpus, SHAPE, {}),
        (_text_corpus, SHAPE, {}),
        (_text_corpus, {**SHAPE, "pooling": "all", "pair_buckets": 97, "recurrent_dropout": 0.2}, _EVERYTHING),
    ],
)
def test_resuming_repeats_the_run_step_for_step(make: object, shape: dict, settings: dict, tmp_path: Path) -> None:
    config = _config(epochs=0.9, word_dropout=0.1, **settings)
    whole = [step.loss_nats for step in Job(tmp_path / "a", make(), shape, config).steps()]
    first = Job(tmp_path / "b", make(), shape, config)
    for step in first.steps():
        if step.step == 17:  # left between two saves, like a killed process; the last save was at 14
            break
    second = Job(tmp_path / "b", make(), shape, config, resume=True)
    rest = [step.loss_nats for step in second.steps()]
    assert len(whole) == 14 + len(rest)
    assert rest == whole[14:]
    assert (tmp_path / "a" / "training.csv").read_text() == (tmp_path / "b" / "training.csv").read_text()


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def _command(folder: Path, name: str, *more: str) -> list[str]:
    command = [sys.executable, "-m", "rnnviz", "train", "m", "--data", str(folder / "text.txt"), "--hidden", "16"]
    command += ["--embedding", "8", "--layers", "2", "--dropout", "0.3", "--epochs", "8", "--batch-size", "8"]
    command += ["--bptt", "16", "--save-every", "40", "--validate-every", "15", "--patience", "1000"]
    return [*command, "--output", str(folder / name), *more]


def _trained(folder: Path, name: str) -> tuple[str, bytes]:
    made = folder / name / "m"
    return (made / "training.csv").read_text(), (made / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "text.txt").write_text("abcab cabca bcabc. " * 400)
    subprocess.run(_command(folder, "whole"), env=ENVIRONMENT, check=True, capture_output=True, timeout=240)
    return folder


@pytest.mark.parametrize(("how", "status"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_a_stopped_run_goes_on_as_if_nothing_had_happened(how: int, status: int, whole_run: Path) -> None:
    name = f"stopped{how}"
    start = _command(whole_run, name)
    victim = subprocess.Popen(start, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    saved = whole_run / name / "m" / "model.safetensors"
    deadline = time.monotonic() + 120
    while not saved.exists() and victim.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    victim.send_signal(how)
    _, printed = victim.communicate(timeout=60)
    assert victim.returncode == status, "it ended before it could be stopped"
    assert b"Traceback" not in printed
    assert (b"--resume goes on" in printed) == (status == 130)
    resume = _command(whole_run, name, "--resume")
    done = subprocess.run(resume, env=ENVIRONMENT, check=True, capture_output=True, timeout=240)
    assert b"best weights" in done.stdout
    assert _trained(whole_run, name) == _trained(whole_run, "whole")
    assert len(_trained(whole_run, "whole")[0].splitlines()) > 350
    again = subprocess.run(resume, env=ENVIRONMENT, check=False, capture_output=True, timeout=240)
    assert again.returncode == 2
    assert b"finished model" in again.stderr


@torch.no_grad()
def test_the_next_words_loss_is_a_softmax_over_the_words_at_hand(tmp_path: Path) -> None:
    network = tiny_classifier(tmp_path / "m").network
    rows = [np.array([2, 3, 4, 3]), np.array([5, 1])]
    guesser = NextWord(network, rows)
    hidden = torch.randn(2, 4, 16)
    ids, lengths = torch.tensor([[2, 3, 4, 3], [5, 1, 0, 0]]), torch.tensor([4, 2])
    share = {3: 2 / 6, 4: 1 / 6}
    losses = []
    for t, target in enumerate([3, 4, 3]):  # what follows id 5 is unknown, and so is not asked for
        guess = guesser.project(hidden[0, t])
        among = {w: float(guess @ network.embedding.weight[w]) - math.log(1 - (1 - p) ** 3) for w, p in share.items()}
        losses.append(math.log(sum(math.exp(logit) for logit in among.values())) - among[target])
    found = guesser(network.embedding, hidden, ids, lengths)
    assert float(found) == pytest.approx(np.mean(losses), abs=1e-5)
    assert float(guesser(network.embedding, hidden[1:], ids[1:], lengths[1:])) == 0


def test_a_pretrained_classifier_has_learnt_the_words_order_first(tmp_path: Path) -> None:
    rng, cycle = np.random.default_rng(0), ["one", "two", "three", "four", "five"]
    texts = [" ".join((cycle * 9)[i % 5 :][: int(rng.integers(9, 30))]) for i in range(320)]
    labels = np.arange(320) % 2
    part = Texts(tuple(texts), labels)
    corpus = TextCorpus(part, part, None, ("negative", "positive"), {"source": "made up"})
    config = _config(epochs=0.2, pretrain_epochs=4, pretrain_learning_rate=2e-2)
    shape = {**SHAPE, "num_layers": 1, "pair_buckets": 50}
    job = Job(tmp_path / "m", corpus, shape, config)
    before = job.trainer.network.pairs.weight.clone()
    steps = []
    for step in job.steps():
        steps.append(step)
        if step.step == job.trainer.pretrain_steps:
            assert job.trainer.network.pairs.weight.equal(before), "pairs wait for the labels"
        if step.step == job.trainer.pretrain_steps + 1:
            assert {int(kept["step"]) for kept in job.trainer.optimizer.state.values()} == {1}, "AdamW starts anew"
    guessing = [step.loss_nats for step in steps[: job.trainer.pretrain_steps]]
    assert guessing[0] > 1.2
    assert guessing[-1] < 0.3
    assert not any(step.score for step in steps[: job.trainer.pretrain_steps])
    assert not job.trainer.network.pairs.weight.equal(before)


def test_averaged_weights_are_the_ones_kept(tmp_path: Path) -> None:
    job = Job(tmp_path / "m", _text_corpus(), SHAPE, _config(epochs=1, average=0.9, validate_every=10_000))
    kept = {name: value.clone() for name, value in job.trainer.network.state_dict().items()}
    for step in job.steps():
        share = min(0.9, (step.step - 1) / (step.step + 9))
        for name, value in job.trainer.network.state_dict().items():
            kept[name] = share * kept[name] + (1 - share) * value
    saved = rnnviz.load(tmp_path / "m").network.state_dict()
    assert all(torch.allclose(kept[name], value, atol=1e-6) for name, value in saved.items())


def test_calibration_error_by_hand() -> None:
    logits = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.35, 0.65]]).log()
    assert calibration_error(logits, np.array([0, 1, 1])) == pytest.approx((abs(2 * 0.8 - 1) + abs(0.65 - 1)) / 3)
    noise = torch.randn(4000, 2)
    drawn = torch.multinomial(noise.softmax(1), 1)[:, 0].numpy()
    assert calibration_error(noise, drawn) < 0.05


def test_resume_refuses_other_settings_and_starting_over(tmp_path: Path) -> None:
    for step in Job(tmp_path / "m", _char_corpus(), SHAPE, _config()).steps():
        if step.step == 8:
            break
    with pytest.raises(ConfigError, match="--resume"):
        Job(tmp_path / "m", _char_corpus(), SHAPE, _config())
    with pytest.raises(CheckpointError, match="other settings"):
        Job(tmp_path / "m", _char_corpus(), SHAPE, _config(seed=1), resume=True)
    text = _char_corpus().train.translate(str.maketrans("abc", "xyz"))
    with pytest.raises(CheckpointError, match="other data"):
        Job(tmp_path / "m", CharCorpus(text, text[:1000], {}), SHAPE, _config(), resume=True)
    with pytest.raises(CheckpointError, match=r"go on with the 10 epochs"):
        Job(tmp_path / "m", _char_corpus(), SHAPE, _config(epochs=0.2), resume=True)
    assert Job(tmp_path / "m", _char_corpus(), SHAPE, _config(epochs=11), resume=True).trainer.step == 7
    (tmp_path / "m" / RESUME).write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="cannot be read"):
        Job(tmp_path / "m", _char_corpus(), SHAPE, _config(), resume=True)


def test_what_only_labels_need_may_change_until_they_are_read(tmp_path: Path) -> None:
    early = _config(epochs=0.5, pretrain_epochs=0.5)
    late = _config(epochs=0.5, pretrain_epochs=0.5, learning_rate=1e-3, word_dropout=0.2, average=0.5)
    whole = [step.loss_nats for step in Job(tmp_path / "a", _text_corpus(), SHAPE, late).steps()]
    for stop, folder in ((15, "b"), (28, "c")):
        for step in Job(tmp_path / folder, _text_corpus(), SHAPE, early).steps():
            if step.step == stop:
                break
    again = Job(tmp_path / "b", _text_corpus(), SHAPE, late, resume=True)
    assert [step.loss_nats for step in again.steps()] == whole[14:]
    assert rnnviz.load(tmp_path / "b").card["training"]["average"] == 0.5
    with pytest.raises(CheckpointError, match="other settings"):
        Job(tmp_path / "c", _text_corpus(), SHAPE, late, resume=True)


def test_early_stopping_keeps_the_best(tmp_path: Path) -> None:
    corpus = CharCorpus("ab" * 3000, "ba ab" * 200, {})
    config = _config(epochs=50, patience=2, learning_rate=1e-2, validate_every=10)
    job = Job(tmp_path / "m", corpus, {**SHAPE, "dropout": 0.0}, config)
    steps = list(job.steps())
    scores = [step.score.loss_nats for step in steps if step.score]
    assert len(steps) < job.trainer.steps
    model = rnnviz.load(tmp_path / "m")
    found = score_language_model(model.network, model.tokenizer.encode(corpus.validation)).loss_nats
    assert found == pytest.approx(min(scores), abs=1e-6)


def test_a_run_of_other_settings_by_name_cannot_be_read(tmp_path: Path) -> None:
    """As an older version left it."""
    for step in Job(tmp_path / "m", _char_corpus(), SHAPE, _config(save_every=1)).steps():
        if step.step == 2:
            break
    saved = torch.load(tmp_path / "m" / RESUME, weights_only=True)
    del saved["settings"]["pretrain_steps"]
    torch.save(saved, tmp_path / "m" / RESUME)
    with pytest.raises(CheckpointError, match="cannot be read"):
        Job(tmp_path / "m", _char_corpus(), SHAPE, _config(save_every=1), resume=True)


def test_a_finished_model_is_not_overwritten(tmp_path: Path) -> None:
    job = Job(tmp_path / "m", _char_corpus(), SHAPE, _config(epochs=0.1))
    list(job.steps())
    score = job.finish()
    card = rnnviz.load(tmp_path / "m").card
    assert card["validation"]["loss_nats"] == score.loss_nats
    assert card["training"]["precision_used"] in ("float32", "bfloat16")
    for resume in (False, True):
        with pytest.raises(ConfigError, match="finished model"):
            Job(tmp_path / "m", _char_corpus(), SHAPE, _config(epochs=0.1), resume=resume)
    with pytest.raises(ConfigError, match="no run to go on with"):
        Job(tmp_path / "new", _char_corpus(), SHAPE, _config(), resume=True)


def test_impossible_jobs_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="forwards only"):
        Job(tmp_path / "m", _text_corpus(), {**SHAPE, "bidirectional": True}, _config(prefix_loss=0.1))
    with pytest.raises(ConfigError, match="would see the word"):
        Job(tmp_path / "m", _text_corpus(), {**SHAPE, "bidirectional": True}, _config(pretrain_epochs=1))
    with pytest.raises(ConfigError, match="memory"):
        Job(tmp_path / "m", _char_corpus(), {**SHAPE, "hidden_size": 10**8}, _config())
    with pytest.raises(SaveError, match="could not be written"):
        Job(Path("/proc/rnnviz/m"), _char_corpus(), SHAPE, _config())


def test_what_a_kill_left_half_written_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / ".resume.pt.x.unfinished").write_text("half")
    Job(tmp_path / "m", _char_corpus(), SHAPE, _config())
    assert not list((tmp_path / "m").glob(".*"))


def test_too_little_data_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Too little data"):
        Job(tmp_path / "m", CharCorpus("abc", "ab", {}), SHAPE, _config())


def test_learning_rate_rises_stays_and_falls() -> None:
    config = _config(learning_rate=1.0, warmup_steps=9, decay=0.5)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[49] == 1.0
    assert rates[-1] < 0.04
    assert all(a >= b for a, b in itertools.pairwise(rates[50:]))


def test_streams_cover_the_text_once_an_epoch() -> None:
    ids = np.arange(1000)
    streams = Streams(ids, batch_size=4, bptt=32, seed=3)
    batches = [streams.batch(step) for step in range(streams.steps)]
    assert [batch.first for batch in batches] == [True] + [False] * (streams.steps - 1)
    seen = np.concatenate([batch.targets.ravel() for batch in batches])
    assert len(seen) == len(set(seen)) == 4 * streams.length
    for one, two in itertools.pairwise(batches):
        assert np.array_equal(two.inputs[:, 0], one.targets[:, -1])
    assert all(np.array_equal(batch.targets, (batch.inputs + 1) % 1000) for batch in batches)


def test_buckets_hold_every_text_once_an_epoch_with_like_lengths() -> None:
    rng = np.random.default_rng(0)
    rows = [np.full(n, i + 2) for i, n in enumerate(rng.integers(1, 60, size=500))]
    buckets = Buckets(rows, np.arange(500) % 2, batch_size=16, max_length=40, word_dropout=0.0, seed=0)
    batches = [buckets.batch(step) for step in range(buckets.steps)]
    seen = np.concatenate([batch.ids[:, 0] for batch in batches])
    assert sorted(seen) == list(range(2, 502))
    assert max(batch.lengths.max() for batch in batches) == 40
    assert np.mean([np.ptp(batch.lengths) for batch in batches]) < 5
    padding = sum((batch.ids == 0).sum() for batch in batches)
    assert padding == sum((batch.lengths.max() - batch.lengths).sum() for batch in batches)


def test_language_score_is_the_mean_cross_entropy(tmp_path: Path) -> None:
    model = tiny_language_model(tmp_path / "m")
    text = "the quick brown fox jumps over the lazy dog. " * 60
    ids = model.tokenizer.encode(text)
    log_p = np.log(rnnviz.record(model, text).probabilities())
    expected = -log_p[np.arange(len(ids) - 1), ids[1:]].mean()
    exact = score_language_model(model.network, ids, streams=1)
    assert exact.loss_nats == pytest.approx(expected, abs=1e-5)
    assert exact.bits_per_char == pytest.approx(expected / math.log(2), abs=1e-5)
    assert exact.characters == len(ids) - 1
    for streams in (7, 64):
        split = score_language_model(model.network, ids, streams)
        assert split.characters == exact.characters
        assert split.loss_nats == pytest.approx(exact.loss_nats, abs=0.01)
    assert score_language_model(model.network, ids) == exact


def test_classifier_score_counts(tmp_path: Path) -> None:
    model = tiny_classifier(tmp_path / "m", bidirectional=True)
    texts = ["good film", "a bad plot the acting was bad", "not good", "very very very bad"]
    labels = np.array([1, 0, 0, 0])
    rows = [model.tokenizer.encode(text) for text in texts]
    score = score_classifier(model.network, rows, labels, batch_size=3)
    guesses = [int(rnnviz.predict(model, text).probabilities[-1].argmax()) for text in texts]
    expected = np.zeros((2, 2), int)
    np.add.at(expected, (labels, guesses), 1)
    assert score.confusion == tuple(map(tuple, expected.tolist()))
    assert score.accuracy == np.mean(labels == guesses)
    assert [len(batch.ids) for batch in by_length(rows, labels, 3)] == [3, 1]


def test_a_loss_that_is_not_finite_stops_training(tmp_path: Path) -> None:
    job = Job(tmp_path / "m", _char_corpus(), SHAPE, _config())
    job.trainer.network.head.bias.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="nan at step 1"):
        next(job.steps())


def test_training_does_not_disturb_the_callers_precision(tmp_path: Path) -> None:
    config = _config(epochs=0.1, precision="bfloat16")
    job = Job(tmp_path / "m", _char_corpus(), {**SHAPE, "dropout": 0.0}, config)
    losses = [step.loss_nats for step in job.steps()]
    assert all(math.isfinite(loss) for loss in losses)
    assert all(p.dtype == torch.float32 for p in job.trainer.network.parameters())


def test_user_tables_through_the_command_line(tmp_path: Path) -> None:
    corpus = _text_corpus()
    names = [("no", "yes")[label] for label in corpus.train.labels]
    frame = pd.DataFrame({"review": corpus.train.texts, "verdict": names})
    frame.to_csv(tmp_path / "table.tsv", sep="\t", index=False)
    command = [sys.executable, "-m", "rnnviz", "train", "m", "--data", str(tmp_path / "table.tsv"), "--hidden", "8"]
    command += ["--text-column", "review", "--label-column", "verdict", "--epochs", "1", "--output", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    model = rnnviz.load(tmp_path / "m")
    assert model.config.labels == ("no", "yes")
    assert set(rnnviz.predict(model, "a good film").final) == {"no", "yes"}
