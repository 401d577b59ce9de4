"""What goes over the wire: one JSON header and any number of arrays, in one message of bytes."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

_ALIGNED = 8


def pack(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> bytes:
    """Pack an answer.

    The message is the header's length (uint32, little endian), the header (UTF-8 JSON, padded with spaces), then each
    array's bytes, each padded to eight, so that a browser can look at them where they lie. The header's `parts` lists
    name, dtype and shape in order.
    """
    arrays = arrays or {}
    parts = [[name, array.dtype.name, list(array.shape)] for name, array in arrays.items()]
    text = json.dumps(_finite({**header, "parts": parts}), allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % _ALIGNED)
    blobs = [np.ascontiguousarray(array).tobytes() for array in arrays.values()]
    return b"".join([struct.pack("<I", len(text)), text, *(blob + bytes(-len(blob) % _ALIGNED) for blob in blobs)])


def _finite(value: Any) -> Any:
    """Return a value that JSON can hold: a number that is not finite becomes null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def unpack(message: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return header and arrays of a packed answer; for tests and clients in Python."""
    (length,) = struct.unpack_from("<I", message)
    header = json.loads(message[4 : 4 + length])
    at, arrays = 4 + length, {}
    for name, dtype, shape in header["parts"]:
        size = int(np.prod(shape))
        arrays[name] = np.frombuffer(message, dtype, size, at).reshape(shape)
        at += arrays[name].nbytes + -arrays[name].nbytes % _ALIGNED
    return header, arrays
