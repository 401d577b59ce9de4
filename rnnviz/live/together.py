"""Many people's keys in one batch: reading the weights costs the same for one text as for twenty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import torch

from rnnviz.live.reader import Reader
from rnnviz.live.session import LiveSession

LATER = b""
_MOST_STEPS = 4
"""New tokens up to which a text is stepped with others: what a key adds, or a few quick ones."""


def begin_together(
    asked: Sequence[tuple[LiveSession, Mapping]],
) -> list[tuple[Iterator[bytes], bytes | Exception | None]]:
    """Start to answer readings of several sessions; texts that have grown by a key are stepped together.

    Args:
        asked: Sessions, each at most once, with their requests.

    Returns:
        For each its answer and the first message of it, or what went wrong with it alone; `LATER` in place of the
        message where more than a few tokens have to be read for it.
    """
    growths = [session.growth(request, _MOST_STEPS) for session, request in asked]
    waiting = sorted(filter(None, growths), key=lambda one: id(one[0].network))
    for _, group in groupby(waiting, key=lambda one: id(one[0].network)):
        if len(members := list(group)) > 1:
            step_together(members)
    return [
        (session.answer(request), LATER) if growth is None else _first(session.answer(request))
        for (session, request), growth in zip(asked, growths, strict=True)
    ]


def _first(answers: Iterator[bytes]) -> tuple[Iterator[bytes], bytes | Exception | None]:
    try:
        return answers, next(answers, None)
    except Exception as error:  # one person's trouble is not the others'
        return answers, error


@torch.no_grad()
def step_together(members: Sequence[tuple[Reader, np.ndarray]]) -> None:
    """Bring readers of one network, none of them with values held, to the end of their texts: ids int64 (time,)."""
    network = members[0][0].network
    weights = members[0][0].weights
    while behind := [(reader, ids) for reader, ids in members if len(reader.ids) < len(ids)]:
        pairs = [
            [int(ids[len(reader.ids) - 1]) if len(reader.ids) else 0, int(ids[len(reader.ids)])]
            for reader, ids in behind
        ]
        tokens = torch.tensor(pairs, device=network.device)
        x = network.embed(tokens[:, 1:], tokens[:, :1])[:, 0]
        states = [reader.state(len(reader.ids)) for reader, _ in behind]
        for layer, own in enumerate(weights):
            before = tuple(torch.cat(parts) for parts in zip(*(state[layer] for state in states), strict=True))
            after, _ = network.cell.step(own.project(x), before, own)
            x = after[0]
            rows = torch.stack(after, dim=1).cpu().numpy()
            for (reader, _), row in zip(behind, rows, strict=True):
                reader.put(layer, row)
        for reader, ids in behind:
            reader.ids = ids[: len(reader.ids) + 1]
