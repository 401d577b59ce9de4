"""Model folders, `NAME/` with weights, `config.json`, `vocab.json` and `card.json`: found, saved, loaded, checked."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize_arrays
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor

from rnnviz.config import ModelConfig
from rnnviz.errors import CheckpointError, ConfigError, ModelNotFoundError
from rnnviz.feedforward import build
from rnnviz.network import Network
from rnnviz.storage import is_file, json_writer, write_atomically, write_together
from rnnviz.text import Tokenizer, tokenizer_from_dict

SHIPPED = Path(__file__).parent.parent / "pretrained"
WEIGHTS, CONFIG, VOCABULARY, CARD = "model.safetensors", "config.json", "vocab.json", "card.json"


def user_folder() -> Path:
    """Return where the user's own models live: `RNNVIZ_MODELS`, else the system's place for user data."""
    return Path(os.environ.get("RNNVIZ_MODELS") or platformdirs.user_data_path("rnnviz") / "models")


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded model: the network in evaluation mode, how text becomes its ids, and what its card says.

    Attributes:
        name: The folder's name.
        config: The network's shape.
        tokenizer: `encode(text)` gives ids.
        card: Data, hyper-parameters and figures, or {} where there is no card.
        network: The PyTorch module, without gradients.
        digest: SHA-256 of the weights file.
    """

    name: str
    config: ModelConfig
    tokenizer: Tokenizer
    card: Mapping[str, Any]
    network: Network
    digest: str

    def with_states(self) -> Model:
        """Return the model itself, where it has recurrent states to look at.

        Raises:
            ConfigError: It is a feed-forward net.
        """
        if self.config.is_feedforward:
            raise ConfigError(f"{self.name} is a feed-forward net: it has no recurrent state to look at.")
        return self


def models() -> dict[str, Path]:
    """Return the folders of all models by name: the user's own, then the shipped ones."""
    found = {}
    for folder in (user_folder(), SHIPPED):
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if (path / WEIGHTS).is_file():
                    found.setdefault(path.name, path)
    return found


def configs() -> dict[str, ModelConfig]:
    """Return what the models are made of by name, without loading weights; unreadable ones are left out."""
    found = {}
    for name, folder in models().items():
        try:
            found[name] = ModelConfig.from_dict(read_json(folder / CONFIG))
        except (CheckpointError, ConfigError):
            continue
    return found


def find(name_or_path: str | Path) -> Path:
    """Return the folder of a model given by name or by path.

    Raises:
        ModelNotFoundError: There is none; the message lists those that there are.
    """
    path, known = Path(name_or_path), models()
    if str(name_or_path) in known:
        return known[str(name_or_path)]
    if is_file(path / CONFIG):
        return path
    have = ", ".join(known) or "none"
    raise ModelNotFoundError(f"There is no model {str(name_or_path)!r}; the models here are: {have}.")


def load(name_or_path: str | Path, device: str | torch.device | None = None) -> Model:
    """Load a model by name or folder.

    Args:
        name_or_path: A name from `models()`, or the path of a model folder.
        device: Where to put the weights; None for a GPU where torch sees one, else the CPU.

    Returns:
        The model, float32, in evaluation mode and without gradients.

    Raises:
        ModelNotFoundError: There is no such model.
        CheckpointError: A file is missing, damaged, or disagrees with another one.
        ConfigError: The device cannot be used.
    """
    folder = find(name_or_path)
    try:
        config = ModelConfig.from_dict(read_json(folder / CONFIG))
        tokenizer = tokenizer_from_dict(read_json(folder / VOCABULARY))
    except ConfigError as error:
        raise CheckpointError(f"{folder.name}: {error}") from error
    if len(tokenizer) != config.vocab_size:
        raise CheckpointError(
            f"{folder.name}: {VOCABULARY} holds {len(tokenizer)} tokens, {CONFIG} says vocab_size {config.vocab_size}."
        )
    weights = _read_weights(folder / WEIGHTS)
    _check(folder.name, weights, config)
    network = build(config)
    import_state(network, weights)
    card = read_card(folder)
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    try:
        network.eval().requires_grad_(False).to(device or default_device())
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"The device {str(device)!r} cannot be used here ({str(error).splitlines()[0]}).") from error
    return Model(folder.resolve().name, config, tokenizer, card, network, digest)


_LOADING = threading.Lock()


def shared(name: str) -> Model:
    """Return a loaded model that all users share, read again when its weights change.

    Raises:
        ModelNotFoundError: There is none of this name.
        CheckpointError: It cannot be read.
    """
    stat = (find(name) / WEIGHTS).stat()
    with _LOADING:
        return _shared(name, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=16)
def _shared(name: str, changed: int, size: int) -> Model:
    return load(name)


def save(
    folder: Path, network: Network, tokenizer: Tokenizer, card: Mapping[str, Any], dtype: torch.dtype = torch.float32
) -> None:
    """Save a model folder; its files are put in place only when all are whole.

    Args:
        folder: Where to; made if need be.
        network: The network whose weights are saved.
        tokenizer: Its vocabulary.
        card: What is known of it; the weights' digest is added.
        dtype: Floating-point type of the saved weights.

    Raises:
        SaveError: A file could not be written.
        ConfigError: The tokenizer has an option that a file cannot hold.
    """
    state = {name: value.detach().to("cpu", dtype).contiguous() for name, value in export_state(network).items()}
    weights = serialize(state)
    digest = hashlib.sha256(weights).hexdigest()
    write_together(
        {
            folder / VOCABULARY: json_writer(tokenizer.to_dict()),
            folder / CONFIG: json_writer(network.config.to_dict()),
            folder / WEIGHTS: lambda path: path.write_bytes(weights) and None,
            folder / CARD: json_writer({**card, "weights_sha256": digest}),
        }
    )


def read_card(folder: Path) -> dict[str, Any]:
    """Return a model's card, {} where it has none.

    Raises:
        CheckpointError: It is not a JSON object.
    """
    card = read_json(folder / CARD) if (folder / CARD).is_file() else {}
    if not isinstance(card, dict):
        raise CheckpointError(f"{folder.name}: {CARD} must hold a JSON object.")
    return card


def headline(card: Mapping[str, Any]) -> str:
    """Return the one figure of a card that people ask for first, or "" where it was never scored."""
    part = "test" if card.get("test") else "validation"
    score = card.get(part)
    try:
        if "accuracy" in score:
            return f"{score['accuracy']:.1%} of {score['texts']:,} {part} texts right"
        return f"{score['loss_nats']:.3f} nats per character on {part} text"
    except (KeyError, TypeError, ValueError):
        return ""


def update_card(folder: Path, **entries: Any) -> None:
    """Add entries to a model's card, keeping the rest.

    Raises:
        CheckpointError: The card cannot be read.
        SaveError: It could not be written.
    """
    write_atomically(folder / CARD, json_writer({**read_card(folder), **entries}))


def default_device() -> torch.device:
    """Return a GPU where torch sees one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


_OURS = re.compile(r"recurrent\.(\d+)\.d(_reverse)?\.(\w+)_l0")


def export_state(network: Network) -> dict[str, Tensor]:
    """Return the weights under PyTorch's names: `recurrent.weight_ih_l{layer}{"" or "_reverse"}` and so on."""
    return {_torch_name(name): value for name, value in network.state_dict().items()}


def import_state(network: Network, weights: Mapping[str, Tensor]) -> None:
    """Copy weights in `export_state`'s names into the network."""
    network.load_state_dict({name: weights[_torch_name(name)] for name in network.state_dict()})


def _torch_name(name: str) -> str:
    return _OURS.sub(lambda m: f"recurrent.{m[3]}_l{m[1]}{m[2] or ''}", name)


def _check(name: str, weights: Mapping[str, Tensor], config: ModelConfig) -> None:
    """Refuse weights whose names or shapes are not those that the config asks for, or that are not finite.

    The expected shapes come from a network without memory, so that an absurd config costs nothing.
    """
    try:
        with torch.device("meta"):
            expected = export_state(build(config))
    except (RuntimeError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{name}: {CONFIG} asks for an impossible network.") from error
    for key in expected:
        if key not in weights:
            raise CheckpointError(f"{name}: {WEIGHTS} lacks {key!r}, which {CONFIG} asks for.")
        found, wanted = tuple(weights[key].shape), tuple(expected[key].shape)
        if found != wanted:
            raise CheckpointError(f"{name}: {key} has shape {found} in {WEIGHTS}, but {CONFIG} asks for {wanted}.")
        if not torch.isfinite(weights[key].float()).all():
            raise CheckpointError(f"{name}: {key} in {WEIGHTS} holds a NaN or an infinity; train the model anew.")
    if extra := sorted(set(weights) - set(expected)):
        raise CheckpointError(f"{name}: {WEIGHTS} holds {extra[0]!r}, which {CONFIG} does not know.")


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path.parent.name}: {path.name} cannot be read ({error}); it is missing, cut off or damaged, "
            "so copy the folder again or train the model anew."
        ) from error


def read_json(path: Path) -> Any:
    """Read a JSON file of a model folder.

    Raises:
        CheckpointError: It is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path.parent.name}: {path.name} cannot be read ({error}).") from error


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, str]) -> None:
    """Write arrays, and some words about them, as one safetensors file.

    Raises:
        SaveError: It could not be written.
    """
    whole = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    content = serialize_arrays(whole, metadata=dict(about))
    write_atomically(path, lambda temporary: temporary.write_bytes(content) and None)


def read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read what `save_arrays` wrote.

    Raises:
        CheckpointError: It cannot be read.
    """
    try:
        with safe_open(path, framework="np") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path.parent.name}: {path.name} cannot be read ({error}).") from error
