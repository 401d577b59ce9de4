"""`python -m tests.bench`: prints tables of what was measured; nothing here is a test, and no clock is asserted on."""

from typing import Annotated

import torch
import typer

from tests.bench.gradients import gradients
from tests.bench.knob import knob
from tests.bench.live import live
from tests.bench.load import load
from tests.bench.pages import pages
from tests.bench.recording import recording
from tests.bench.soak import soak

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)
for table in (gradients, knob, live, load, pages, soak):
    app.command()(table)


@app.command(name="recording")
def record(
    rounds: Annotated[int, typer.Option(help="Turns of which the median is taken.")] = 5,
    threads: Annotated[int | None, typer.Option(help="Threads of torch, by default its own choice.")] = None,
) -> None:
    """Print what recording every signal costs beside the plain `nn.LSTM` forward."""
    if threads:
        torch.set_num_threads(threads)
    recording(rounds)


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Print tables of what was measured; `recording` where none is named."""
    if context.invoked_subcommand is None:
        record()
        names = sorted(command.name or command.callback.__name__ for command in app.registered_commands)
        print(f"\nThere are {', '.join(names)}: `python -m tests.bench NAME`, with --help for options.")


if __name__ == "__main__":
    app(prog_name="python -m tests.bench")
