"""The command line: `train`, `evaluate`, `sample`, `record` and `models`; it asks and tells, nothing else."""

from __future__ import annotations

import json
import math
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer
from tqdm import tqdm

from rnnviz import checkpoints, held_out
from rnnviz.analysis.gradients import gradient_decay
from rnnviz.analysis.jacobians import jacobian_norms
from rnnviz.config import CELL_TYPES, FEEDFORWARD, OPTIMIZERS, POOLINGS, PRECISIONS, ModelConfig, TrainConfig
from rnnviz.errors import ConfigError, RnnvizError
from rnnviz.record import record, sample
from rnnviz.subjects import LONGEST_GRADIENT, Window, trained_subject
from rnnviz.training import evaluation, ladder, yardsticks
from rnnviz.training.datasets import NAMED, open_corpus, read_text
from rnnviz.training.job import Job
from rnnviz.training.scores import ClassifierScore

app = typer.Typer(
    help="Train, score and read recurrent networks; the app itself starts with `streamlit run app.py`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_DATA_HELP = f"One of {', '.join(NAMED)}; or a text file; or a .csv, .tsv or .parquet table of labelled texts."
_FOLDER_HELP = "Folder in which named data is looked for before it is downloaded (or set RNNVIZ_DATA)."
Name = Annotated[str, typer.Argument(help="A model's name (see `models`) or its folder.")]
DataFolder = Annotated[Path | None, typer.Option(help=_FOLDER_HELP)]
Data, Net, Run = "Data", "Network", "Training"


def one_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """Turn a user's mistake into its one sentence on standard error and exit status 2."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except RnnvizError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(2) from error
        except (typer.Exit, typer.Abort):
            raise
        except (OSError, ValueError, RuntimeError) as error:
            first = (str(error).splitlines() or [""])[0]
            typer.echo(f"Error: {type(error).__name__}: {first}", err=True)
            raise typer.Exit(2) from error

    return run


@app.command()
@one_sentence
def train(
    name: Annotated[str, typer.Argument(help="Name of the model to make.")],
    data: Annotated[str, typer.Option(help=_DATA_HELP, rich_help_panel=Data)],
    data_folder: Annotated[Path | None, typer.Option(help=_FOLDER_HELP, rich_help_panel=Data)] = None,
    text_column: Annotated[str, typer.Option(help="The table's column of texts.", rich_help_panel=Data)] = "text",
    label_column: Annotated[str, typer.Option(help="The table's column of classes.", rich_help_panel=Data)] = "label",
    max_tokens: Annotated[int, typer.Option(help="Largest vocabulary of a word model.", rich_help_panel=Data)] = 20_000,
    cell: Annotated[
        str, typer.Option(help=f"One of {', '.join((*CELL_TYPES, FEEDFORWARD))}.", rich_help_panel=Net)
    ] = "lstm",
    embedding: Annotated[int, typer.Option(help="Length of a token's vector.", rich_help_panel=Net)] = 128,
    hidden: Annotated[int, typer.Option(help="Units a layer.", rich_help_panel=Net)] = 256,
    layers: Annotated[int, typer.Option(help="Recurrent layers.", rich_help_panel=Net)] = 1,
    dropout: Annotated[float, typer.Option(help="Probability of dropping an input.", rich_help_panel=Net)] = 0.0,
    bidirectional: Annotated[bool, typer.Option(help="Read both ways (classifier).", rich_help_panel=Net)] = False,
    learned_initial_state: Annotated[
        bool, typer.Option(help="Learn the state before the first token.", rich_help_panel=Net)
    ] = False,
    pooling: Annotated[
        str, typer.Option(help=f"How a classifier reads the states: {', '.join(POOLINGS)}.", rich_help_panel=Net)
    ] = "last",
    recurrent_dropout: Annotated[
        float, typer.Option(help="Probability of dropping a recurrent weight.", rich_help_panel=Net)
    ] = 0.0,
    pair_buckets: Annotated[
        int, typer.Option(help="Rows of a table for pairs of words; 0 for none (classifier).", rich_help_panel=Net)
    ] = 0,
    pair_size: Annotated[int, typer.Option(help="Length of a pair's vector.", rich_help_panel=Net)] = 8,
    dense: Annotated[
        int, typer.Option(help="Units of a ReLU layer before the answer; 0 for none (classifier).", rich_help_panel=Net)
    ] = 0,
    window: Annotated[int, typer.Option(help="Words a feed-forward net reads.", rich_help_panel=Net)] = 0,
    embedding_scale: Annotated[
        float, typer.Option(help="Spread of fresh token vectors; 0.1 keeps rare words quiet.", rich_help_panel=Net)
    ] = 1.0,
    epochs: Annotated[float, typer.Option(help="Passes over the data.", rich_help_panel=Run)] = 10.0,
    batch_size: Annotated[int, typer.Option(help="Texts or streams a batch.", rich_help_panel=Run)] = 32,
    bptt: Annotated[int, typer.Option(help="Characters between cuts of the gradient.", rich_help_panel=Run)] = 128,
    learning_rate: Annotated[float, typer.Option(help="The optimizer's peak rate.", rich_help_panel=Run)] = 2e-3,
    warmup_steps: Annotated[int, typer.Option(help="Steps of rising rate.", rich_help_panel=Run)] = 100,
    decay: Annotated[float, typer.Option(help="Last share of steps with a falling rate.", rich_help_panel=Run)] = 0.5,
    weight_decay: Annotated[float, typer.Option(help="AdamW's weight decay.", rich_help_panel=Run)] = 0.01,
    clip: Annotated[float, typer.Option(help="Largest norm of the gradient.", rich_help_panel=Run)] = 1.0,
    max_length: Annotated[int, typer.Option(help="Longest training text in words.", rich_help_panel=Run)] = 400,
    word_dropout: Annotated[float, typer.Option(help="Words read as unknown.", rich_help_panel=Run)] = 0.0,
    prefix_loss: Annotated[float, typer.Option(help="Weight of the loss of all prefixes.", rich_help_panel=Run)] = 0.0,
    validate_every: Annotated[int, typer.Option(help="Steps between validations.", rich_help_panel=Run)] = 500,
    patience: Annotated[int, typer.Option(help="Validations without a best.", rich_help_panel=Run)] = 5,
    save_every: Annotated[int, typer.Option(help="Steps between saves.", rich_help_panel=Run)] = 200,
    precision: Annotated[str, typer.Option(help=f"{', '.join(PRECISIONS)}.", rich_help_panel=Run)] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of weights, order and dropout.", rich_help_panel=Run)] = 0,
    pretrain_epochs: Annotated[
        float, typer.Option(help="Passes of guessing the next word first (classifier).", rich_help_panel=Run)
    ] = 0.0,
    pretrain_learning_rate: Annotated[float, typer.Option(help="Their peak rate.", rich_help_panel=Run)] = 4e-3,
    pretrain_dropout: Annotated[float, typer.Option(help="Their dropout.", rich_help_panel=Run)] = 0.1,
    average: Annotated[
        float, typer.Option(help="Share of the old in a running average of the weights.", rich_help_panel=Run)
    ] = 0.0,
    optimizer: Annotated[str, typer.Option(help=f"{', '.join(OPTIMIZERS)}.", rich_help_panel=Run)] = "adamw",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last save.", rich_help_panel=Run)] = False,
    output: Annotated[Path | None, typer.Option(help="Folder that holds models (or set RNNVIZ_MODELS).")] = None,
    half_weights: Annotated[bool, typer.Option(help="Save weights as float16, half the size.")] = False,
) -> None:
    """Train a character language model on a text, or a word classifier on labelled texts.

    Ctrl-C saves; `--resume` goes on from there, or from the last save after a kill, as if nothing had happened.
    """
    config = TrainConfig(
        epochs, batch_size, bptt, learning_rate, warmup_steps, decay, weight_decay, clip, max_length, word_dropout,
        prefix_loss, validate_every, patience, save_every, precision, seed, pretrain_epochs, pretrain_learning_rate,
        pretrain_dropout, average, optimizer,
    )  # fmt: skip
    shape = {
        "cell_type": cell,
        "embedding_size": embedding,
        "hidden_size": hidden,
        "num_layers": layers,
        "dropout": dropout,
        "bidirectional": bidirectional,
        "learned_initial_state": learned_initial_state,
        "pooling": pooling,
        "recurrent_dropout": recurrent_dropout,
        "pair_buckets": pair_buckets,
        "pair_size": pair_size,
        "dense_size": dense,
        "window": window,
        "embedding_scale": embedding_scale,
    }
    folder = (output or checkpoints.user_folder()) / name
    corpus = open_corpus(data, data_folder, text_column, label_column)
    words = [word for word in sys.argv[1:] if word != "--resume"]
    job = Job(
        folder,
        corpus,
        shape,
        config,
        max_tokens=max_tokens,
        resume=resume,
        dtype=torch.float16 if half_weights else torch.float32,
        command=f"python -m rnnviz {shlex.join(words)}",
    )
    _watch(job)
    score = job.finish()
    typer.echo(f"{folder} holds the best weights, of step {job.trainer.best_step}: {score.loss_nats:.4f} nats.")


def _watch(job: Job) -> None:
    """Run the job under a progress bar; Ctrl-C saves and leaves with status 130."""
    trainer = job.trainer
    bar = tqdm(total=trainer.steps, initial=trainer.step, unit="step", mininterval=1.0, dynamic_ncols=True)
    smooth, seconds, tokens = None, trainer.seconds, 0
    try:
        with _stop_between_steps() as asked_to_stop:
            for step in job.steps():
                smooth = step.loss_nats if smooth is None else 0.98 * smooth + 0.02 * step.loss_nats
                tokens += step.tokens
                speed = tokens / max(1e-9, trainer.seconds - seconds)
                bar.set_postfix(loss=f"{smooth:.4f}", tokens_per_s=f"{speed:,.0f}", refresh=False)
                bar.update()
                if step.score is not None:
                    accuracy = getattr(step.score, "accuracy", None)
                    also = "" if accuracy is None else f", accuracy {accuracy:.4f}"
                    mark = " *" if step.is_best else ""
                    bar.write(f"step {step.step}: validation {step.score.loss_nats:.4f} nats{also}{mark}")
                if asked_to_stop.is_set() and not trainer.finished:
                    job.save()
                    typer.echo(f"\nSaved at step {trainer.step}; the same command with --resume goes on.", err=True)
                    raise typer.Exit(130)
    except FloatingPointError as error:
        typer.echo(f"Error: {error}; lower --learning-rate or --clip, and start anew.", err=True)
        raise typer.Exit(2) from error
    finally:
        bar.close()


@contextmanager
def _stop_between_steps() -> Iterator[threading.Event]:
    """Let the first Ctrl-C or termination ask for a stop after the step in hand; the second ends the program."""
    asked = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.getsignal(number) for number in signals}

    def ask(number: int, frame: object) -> None:
        asked.set()
        signal.signal(number, previous[number])

    for number in signals:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number in signals:
            signal.signal(number, previous[number])


def _text_of(text: str | None, file: Path | None) -> str:
    """Return the text given on the command line, in a file, or on standard input."""
    if text is not None:
        return text
    if file is not None:
        return read_text(file)
    return sys.stdin.read()


Text = Annotated[str | None, typer.Option(help="The text itself.")]
TextFile = Annotated[Path | None, typer.Option(help="A UTF-8 file that holds it; without either, standard input.")]


@app.command()
@one_sentence
def evaluate(
    name: Name,
    data: Annotated[str | None, typer.Option(help=f"{_DATA_HELP} Default: what the model was trained on.")] = None,
    data_folder: DataFolder = None,
    split: Annotated[
        str, typer.Option(help="validation, or test; of your own file everything is scored.")
    ] = "validation",
    text_column: Annotated[str | None, typer.Option(help="The table's column of texts.")] = None,
    label_column: Annotated[str | None, typer.Option(help="The table's column of classes.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    update_card: Annotated[bool, typer.Option("--update-card", help="Write the score into the model's card.")] = False,
) -> None:
    """Score a model: nats and bits per character, or accuracy, loss and confusion counts."""
    if update_card and data is not None:
        raise ConfigError("A card holds the scores on the model's own data: leave --data or --update-card out.")
    model = checkpoints.load(name)
    score = evaluation.evaluate(
        model, data, split, data_folder=data_folder, text_column=text_column, label_column=label_column
    )
    values = score.to_dict()
    split = split if data is None or data in NAMED else "all"
    if update_card:
        command = f"python -m rnnviz evaluate {shlex.quote(model.name)} --split {split}"
        checkpoints.update_card(checkpoints.find(name), **{split: values | {"command": command}})
    if as_json:
        typer.echo(json.dumps({"model": model.name, "split": split, **values}))
        return
    for key, value in values.items():
        shown = f"{value:.4f}" if isinstance(value, float) else value
        if key not in ("confusion", "calibration"):
            typer.echo(f"{key.replace('_', ' ')}: {shown}")
    if isinstance(score, ClassifierScore):
        labels = model.config.labels
        typer.echo("confusion (rows are true, columns guessed):")
        table = pd.DataFrame(score.confusion, index=labels, columns=labels)
        typer.echo(table.to_string())


@app.command("sample")
@one_sentence
def sample_command(
    name: Name,
    prompt: Annotated[str, typer.Option(help="What the model reads first.")] = "\n",
    length: Annotated[int, typer.Option(help="Characters to write.")] = 500,
    temperature: Annotated[float, typer.Option(help="Below 1 bolder, above 1 wilder, 0 the likeliest.")] = 0.7,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 0,
) -> None:
    """Let a character model go on from a prompt."""
    model = checkpoints.load(name)
    typer.echo(prompt + sample(model, prompt, length, temperature, seed))


@app.command("record")
@one_sentence
def record_command(
    name: Name,
    output: Annotated[Path, typer.Option(help="The .npz file to write.")],
    text: Text = None,
    file: TextFile = None,
) -> None:
    """Record every signal of a model reading a text, to a .npz file that numpy reads."""
    recording = record(checkpoints.load(name), _text_of(text, file))
    recording.save(output)
    shape = recording.signals["hidden"].shape
    typer.echo(f"{output}: {', '.join(recording.signals)}; each {shape} = (time, layer, unit)")


@app.command("gradients")
@one_sentence
def gradients_command(
    names: Annotated[list[str], typer.Argument(help="Names of models here, or paths of their folders.")],
    text: Text = None,
    file: TextFile = None,
    steps: Annotated[int, typer.Option(help="Steps before the end that are read at most.", min=1)] = LONGEST_GRADIENT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell after how many steps back gradients halve, for a text and some models; negative: after how many they double.

    dL/dh and dL/dc: the loss at the text's end by the hidden and the cell state. dh/dh and dc/dc: the last state by
    each earlier one, Frobenius norm, no loss involved.
    """
    whole, rows = _text_of(text, file), []
    for name in names:
        subject = trained_subject(Window(whole, steps), checkpoints.load(name))
        read = (subject.make(), subject.ids, subject.tokens)
        decay, jacobians = gradient_decay(*read), jacobian_norms(*read, every=subject.steps)
        row = {"model": subject.label, "steps": subject.steps, "loss_nats": round(decay.loss_nats, 4)}
        for state in decay.log10_norms:
            row[f"dL/d{state[0]}"] = round(decay.half_life(state), 2)
            row[f"d{state[0]}/d{state[0]}"] = round(jacobians.half_life(state), 2)
        rows.append({key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in row.items()})
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        typer.echo(pd.DataFrame(rows).to_string(index=False, na_rep="-"))


@app.command("models")
@one_sentence
def models_command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models here, your own and the shipped ones, with what their cards say."""
    rows = []
    for name, folder in checkpoints.models().items():
        try:
            config = ModelConfig.from_dict(checkpoints.read_json(folder / checkpoints.CONFIG))
            score = checkpoints.headline(checkpoints.read_card(folder))
        except RnnvizError as error:
            typer.echo(f"Left out: {error}", err=True)
            continue
        shape = f"{config.num_layers} x {config.hidden_size} {config.cell_type}"
        rows.append({"name": name, "task": config.task, "network": shape, "score": score, "folder": str(folder)})
    if as_json:
        typer.echo(json.dumps(rows))
    elif rows:
        typer.echo(pd.DataFrame(rows).to_string(index=False, justify="left"))
    else:
        typer.echo("There is no model here yet: train one with `python -m rnnviz train`.")


@app.command("study")
@one_sentence
def study_command(
    name: Name,
    data_folder: DataFolder = None,
    count: Annotated[int, typer.Option(help="Validation reviews to draw.", min=1)] = held_out.COUNT,
    seed: Annotated[int, typer.Option(help="Seed of the draw.", min=0)] = 0,
) -> None:
    """Keep a classifier's states at the end of held-out texts, for the sentiment page's views of units and paths.

    The texts are drawn from the validation part of the data that the model's card names; no text is kept.
    """
    model = checkpoints.load(name)
    with tqdm(total=1.0, bar_format="{l_bar}{bar}| {elapsed}", mininterval=1.0) as bar:
        found = held_out.study(model, data_folder, count, seed, lambda share: bar.update(share - bar.n))
    path = held_out.save(checkpoints.find(name), model, found)
    drawn = f"{len(found):,} of {found.part:,} validation texts"
    typer.echo(f"{path} holds the states at the end of {drawn}, of which {found.right.mean():.1%} are guessed right.")


@app.command("yardsticks")
@one_sentence
def yardsticks_command(
    data: Annotated[str, typer.Option(help=_DATA_HELP)] = "imdb",
    data_folder: DataFolder = None,
    output: Annotated[Path | None, typer.Option(help="A JSON file to write.")] = None,
) -> None:
    """Score what a classifier has to beat: the commonest class, and logistic regression on which words occur."""
    for line in yardsticks.run(data, data_folder, output, f"python -m rnnviz {shlex.join(sys.argv[1:])}"):
        typer.echo(line)


@app.command("ladder")
@one_sentence
def ladder_command(as_markdown: Annotated[bool, typer.Option("--markdown", help="For the README.")] = False) -> None:
    """List all classifiers of IMDB reviews, yardsticks and published figures, best first."""
    rows, troubles = ladder.ladder()
    for trouble in troubles:
        typer.echo(trouble, err=True)
    typer.echo(ladder.markdown(rows) if as_markdown else ladder.plain(rows))
