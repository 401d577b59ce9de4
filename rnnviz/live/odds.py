"""A classifier's answer while a review is typed: the log-odds of one class after every word; no pictures of units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from rnnviz.config import LONGEST
from rnnviz.live.reader import Reader, WholeReader
from rnnviz.live.request import Asked
from rnnviz.network import Network
from rnnviz.record import prefix_logits
from rnnviz.text import spans

MOST_ANEW = 200
"""Words up to which a network that reads both ways is followed: it reads each beginning of the text anew."""

_ANEW_AT_ONCE = 32


def log_odds(logits: np.ndarray, output: int) -> np.ndarray:
    """Return ln(p / (1 - p)) of one class, in nats: with two classes the difference of their logits.

    Args:
        logits: (..., output), unnormalised, at least two outputs.
        output: The class.

    Returns:
        float64 (...); worked out from the logits, so that it stays exact where p rounds to 0 or 1.
    """
    others = np.delete(logits.astype(np.float64), output, axis=-1)
    most = others.max(axis=-1)
    return logits[..., output] - most - np.log(np.exp(others - most[..., None]).sum(axis=-1))


@torch.no_grad()
def odds_at_start(network: Network, output: int) -> float | None:
    """Return the log-odds before any word, or None where the head reads a mean or maximum: no states have none."""
    if network.config.pooling != "last":
        return None
    top = network.config.num_layers - 1
    hidden = [network.start(1, top, direction)[0] for direction in range(len(network.directions))]
    logits = network.answer(torch.cat(hidden, dim=-1)[:, None])
    return float(log_odds(logits[0, 0].cpu().numpy(), output))


def answer_odds(asked: Asked, reader: Reader | WholeReader) -> Iterator[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """Answer with the log-odds of the class `output` after each word from `have` on, a long text in several messages.

    The first message also tells the words from `have` on and their places in the text, looked for from its code point
    `at`; and every id, so that who asks can see whether the words it has are still those of this text.

    Args:
        asked: The request.
        reader: The model's, of this session.

    Yields:
        Header (`base`, `total`: words followed, `count`: words of the whole text, `start`, `done`) and arrays (`odds`
        float32, `ids` uint32).

    Raises:
        RequestError: The model is a language model, or a field makes no sense.
        TextError: There is no word in the text.
    """
    output = asked.output
    ids = asked.ids if isinstance(reader, Reader) else asked.ids[:MOST_ANEW]
    sent = asked.whole("have", 0, LONGEST, 0)
    sent = sent if sent <= len(ids) else 0
    at = asked.whole("at", 0, len(asked.text), 0) if sent else 0
    tokens = asked.tokens[sent : len(ids)]
    header = {
        "base": sent,
        "total": len(ids),
        "count": asked.count,
        "start": odds_at_start(reader.network, output),
        "tokens": tokens,
        "spans": [(at + first, at + last) for first, last in spans(asked.text[at:], tokens)],
    }
    arrays = {"ids": ids.astype(np.uint32)}
    for last, logits in _logits(reader, ids, sent):
        if len(logits):
            arrays["odds"] = log_odds(logits, output).astype(np.float32)
        yield {**header, "done": last == len(ids)}, arrays
        header, arrays = {"base": last, "total": len(ids), "count": asked.count}, {}


def _logits(reader: Reader | WholeReader, ids: np.ndarray, first: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield, stretch by stretch, its end and the logits (time, output) after each of its words."""
    if isinstance(reader, Reader):
        for done in reader.advance(ids):
            if done > first or done == len(ids):
                yield done, reader.logits(first, done) if done > first else np.empty(0)
                first = max(first, done)
        return
    if first == len(ids):
        yield first, np.empty(0)
    rows = torch.from_numpy(ids).to(reader.network.device)
    for logits in prefix_logits(reader.network, rows, first, _ANEW_AT_ONCE):
        first += len(logits)
        yield first, logits.cpu().numpy()
