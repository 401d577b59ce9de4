"""The neurons page's picture without the page: one HTML file, or a notebook's output, that asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import json
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from rnnviz import browser
from rnnviz.analysis.units import rank_by_persistence
from rnnviz.charts.palette import HEX, INK, STOPS, Scale, scale_of
from rnnviz.config import LONGEST
from rnnviz.errors import ConfigError
from rnnviz.recording import Recording, likeliest, softmax, surprise
from rnnviz.storage import write_atomically

_GUESSES = 5
_UNKNOWN = ("\ufffd", "[UNK]")
"""What a vocabulary of tokens, and no list of labels, calls those it does not know."""
_HEAT, _ROW, _TEXT = 420, 14, 440
"""Largest heights of the heatmap, of one of its rows and of the text, in pixels; the browser's side has the same."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A text coloured by one unit, and all units beneath, as HTML that is complete in itself.

    The last expression of a notebook's cell shows itself.

    Attributes:
        title: What is shown, in one line of plain text.
        html: The whole document; it loads nothing, and forbids itself to.
        height: Pixels that a frame around it should have.
    """

    title: str
    html: str = field(repr=False)
    height: int = field(repr=False)

    def save(self, path: Path | str) -> None:
        """Write the picture as one HTML file that any browser opens, also offline.

        Raises:
            SaveError: It could not be written; a file that was there before is untouched.
        """
        content = self.html.encode("utf-8")
        write_atomically(Path(path), lambda temporary: temporary.write_bytes(content) and None)

    def _repr_html_(self) -> str:
        """Return a frame of its own, so that the notebook's styles and names and the picture's do not meet."""
        return (
            f'<iframe sandbox="allow-scripts" title="{escape(self.title)}" width="100%" height="{self.height}" '
            f'style="border:0;resize:vertical" srcdoc="{escape(self.html)}"></iframe>'
        )


def show(
    recording: Recording,
    unit: int | None = None,
    *,
    layer: int | None = None,
    signal: str = "hidden",
    vocabulary: Sequence[str] | None = None,
) -> Picture:
    """Picture one signal of one layer: the text coloured by a unit, and all units by time to choose another from.

    Args:
        recording: From `rnnviz.record`, with at least one token; of a longer text the first `LONGEST` are shown.
        unit: The unit that colours the text at first, from 0; None for the one that swings widely and holds most.
        layer: The layer, from 0; None for the top one.
        signal: One of the recording's signals.
        vocabulary: (output,), what each output stands for, to show the likeliest beneath each token: a language
            model's `tokenizer.vocabulary`, a classifier's `config.labels`. None to leave them out.

    Returns:
        The picture; its `save(path)` writes an HTML file.

    Raises:
        ConfigError: There is no such signal, layer or unit, the vocabulary does not fit the outputs, or the recording
            has no token.
    """
    if not recording.tokens:
        raise ConfigError("The recording has no token: there is nothing to show.")
    if signal not in recording.signals:
        raise ConfigError(f"signal must be one of {', '.join(recording.signals)}, got {signal!r}.")
    layer = _index("layer", recording.num_layers - 1 if layer is None else layer, recording.num_layers)
    values = recording.signals[signal][:LONGEST, layer]
    scale = scale_of(signal, recording.cell_type)
    shades = scale.shade(np.nan_to_num(values))
    first = rank_by_persistence(shades / 255)[0] if unit is None else unit
    unit = _index("unit", first, recording.hidden_size)
    header = _header(recording, signal, layer, unit, scale) | {"values": _packed(values), "shades": _packed(shades)}
    if vocabulary is not None:
        header |= _outputs(recording, vocabulary)
    what = f"{signal.replace('_', ' ')} of layer {layer + 1}"
    title = f"{header['model']}, unit {unit}: {what}"
    return Picture(title, _document(title, header), _height(header))


def _index(name: str, value: SupportsIndex, size: int) -> int:
    """Return a place within 0 ... size - 1 as an int.

    Raises:
        ConfigError: It is no whole number, or beyond.
    """
    try:
        place = operator.index(value)
    except TypeError:
        place = -1
    if not 0 <= place < size or isinstance(value, bool):
        raise ConfigError(f"{name} must be a whole number from 0 to {size - 1}, got {value!r}.")
    return place


def _packed(array: np.ndarray) -> str:
    """Return an array's bytes, little endian, as base64."""
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<"), order="C").tobytes()).decode()


def _header(recording: Recording, signal: str, layer: int, unit: int, scale: Scale) -> dict[str, Any]:
    """Return what the picture says in words and how it colours."""
    return {
        "model": recording.model_id.encode("utf-8", "replace").decode(),
        "cell_type": recording.cell_type,
        "signal": signal,
        "layer": layer,
        "unit": unit,
        "units": recording.hidden_size,
        "tokens": recording.tokens[:LONGEST],
        "words": any(len(token) > 1 for token in recording.tokens),
        "total": len(recording.tokens),
        "ends": [f"{'tanh = ' if scale.squashed else ''}{end:g}" for end in (scale.low, scale.high)],
        "note": scale.note,
        "hex": HEX,
        "ink": INK,
        "stops": STOPS,
        "rows": 0,
    }


def _outputs(recording: Recording, vocabulary: Sequence[str]) -> dict[str, Any]:
    """Return the likeliest outputs after each token and, where these are the next tokens, each token's surprise.

    The vocabulary is one of tokens, and not a list of labels, if it has a name for those it does not know.

    Args:
        recording: Whose logits are (time, output).
        vocabulary: (output,).

    Returns:
        The header's part: `names`; `guesses`, uint32 (time, rows), places in `names`; `chances`, float32, aligned;
        `rows`; `percent`, whether they are labels. For tokens also `bits`, float32 (time,), and `unknown`, uint8
        (time,).

    Raises:
        ConfigError: There are more or fewer names than outputs.
    """
    outputs = recording.logits.shape[1]
    if len(vocabulary) != outputs:
        raise ConfigError(
            f"vocabulary must name the {outputs} outputs, got {len(vocabulary)} names: for a language model its "
            "tokenizer's vocabulary, for a classifier its config's labels."
        )
    names = [str(name) for name in vocabulary]
    strange = next((i for i, name in enumerate(names) if name in _UNKNOWN), None)
    labels = strange is None
    probabilities = softmax(recording.logits[:LONGEST])
    best = likeliest(probabilities, 1 if labels else _GUESSES)
    used, places = np.unique(best, return_inverse=True)
    found = {
        "names": [names[i] for i in used.tolist()],
        "guesses": _packed(places.astype(np.uint32)),
        "chances": _packed(np.take_along_axis(probabilities, best, axis=1).astype(np.float32)),
        "rows": best.shape[1],
        "percent": labels,
    }
    return found if strange is None else found | _surprise(recording, probabilities, names, strange)


def _surprise(recording: Recording, probabilities: np.ndarray, names: Sequence[str], strange: int) -> dict[str, str]:
    """Return each token's surprise, -log2 p(token | those before it), and whether it is unknown.

    Args:
        recording: Whose tokens they are.
        probabilities: (time, output), after each token.
        names: (output,), tokens by id.
        strange: The id of unknown tokens.
    """
    ids = {name: i for i, name in enumerate(names)}
    read = np.array([ids.get(token, strange) for token in recording.tokens[: len(probabilities)]])
    chances = np.take_along_axis(probabilities[:-1], read[1:, None], axis=1)[:, 0]
    bits = np.concatenate([[0.0], surprise(chances)])
    return {"bits": _packed(bits.astype(np.float32)), "unknown": _packed((read == strange).astype(np.uint8))}


@cache
def _parts() -> tuple[str, str]:
    """Return script and style sheet."""
    sheet = (Path(browser.__file__).parent / "picture.css").read_text(encoding="utf-8")
    return browser.bundle("picture.js"), browser.style() + sheet


def _digest(source: str) -> str:
    """Return what a Content-Security-Policy calls a script or style sheet by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _document(title: str, header: dict[str, Any]) -> str:
    """Return the whole document: only this script and this style may act, and nothing may be fetched."""
    script, sheet = _parts()
    script, sheet = f"\n{script}\n", f"\n{sheet}\n"
    policy = f"default-src 'none'; base-uri 'none'; form-action 'none'; script-src {_digest(script)}; "
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}style-src {_digest(sheet)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{sheet}</style>
</head>
<body>
<main class="rv-live rv-picture">This picture is drawn by its own script, which is switched off.</main>
<script type="application/json" id="data">{_json(header)}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def _json(value: object) -> str:
    """Return ASCII JSON that can stand inside a script element: no character of it can end one, or open a comment."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _height(header: dict[str, Any]) -> int:
    """Return about how many pixels the picture takes in a notebook's usual width."""
    tokens = header["tokens"]
    text = (" " if header["words"] else "").join(tokens)
    lines = sum(1 + len(line) // 75 for line in text.split("\n"))
    tall = min(_TEXT, lines * (38 + 13 * header["rows"]) + 16)
    return 330 + tall + min(_HEAT, _ROW * header["units"])
