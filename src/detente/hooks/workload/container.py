"""A checkpoint file whose bytes are a function of what it holds: a JSON header, then raw arrays.

``numpy.savez`` stamps the time into its archive, so two equal states give different digests; this format has no room
for a time. Decides the bytes only; when and where they are written is ``checkpoint``'s matter.

Format (``spec/receipt.md`` §5): the line ``detente-checkpoint 1``, the length of the header as 8 bytes little-endian,
the header (strict JSON: ``meta`` and ``arrays`` with name, type, shape, offset, bytes), padding with zero bytes to
a multiple of 64, then the arrays, little-endian, in C order, each padded likewise. Rules: W13, W14.

>>> data = encode_container({"step": 1}, {"w": np.arange(3, dtype=np.float32)})
>>> meta, arrays = parse_container(data)
>>> meta, arrays["w"].tolist(), encode_container(meta, arrays) == data
({'step': 1}, [0.0, 1.0, 2.0], True)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from detente.base.digest import Digest
from detente.base.errors import Refused, shown
from detente.base.strict_json import encode_json, parse_json

Array = npt.NDArray[Any]

MAGIC = b"detente-checkpoint 1\n"
HEADER_MAX = 16 << 20
"""Bytes. A header grows with the number of arrays, about 100 bytes each, never with their size."""
ALIGN = 64
_TYPES = {"float32": "<f4", "float64": "<f8", "int64": "<i8", "uint64": "<u8", "uint8": "|u1"}


def encode_container(meta: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """The file's bytes. ``meta`` is strict JSON: whole numbers, or decimals in strings. Arrays stand in name order."""
    entries: list[dict[str, Any]] = []
    blobs: list[bytes] = []
    offset = 0
    for name in sorted(arrays):
        kind = arrays[name].dtype.name
        blob = np.ascontiguousarray(arrays[name], dtype=_TYPES[kind]).tobytes()
        entries.append(
            {"name": name, "type": kind, "shape": list(arrays[name].shape), "offset": offset, "bytes": len(blob)}
        )
        blobs.append(blob + b"\0" * (-len(blob) % ALIGN))
        offset += len(blobs[-1])
    header = encode_json({"meta": dict(meta), "arrays": entries})
    start = MAGIC + len(header).to_bytes(8, "little") + header
    return start + b"\0" * (-len(start) % ALIGN) + b"".join(blobs)


def parse_container(data: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """The meta data and the arrays (writable copies); raises ``Refused``.

    1. The first line and a header of bounded size: W13.
    2. Every array of a known type, with the bytes that its shape needs, at its place: W14.
    3. Nothing after the last array, and nothing but zero bytes between: W14.
    """
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + 8:  # 1
        raise Refused("W13", "malformed", got=shown(data[:32]), expected=f"a file that begins with {MAGIC!r}")
    at = len(MAGIC)
    length = int.from_bytes(data[at : at + 8], "little")
    at += 8
    if length > min(HEADER_MAX, len(data) - at):
        raise Refused("W13", "malformed", got=f"a header of {length} bytes", expected="a header within the file")
    header = parse_json(data[at : at + length], limit=HEADER_MAX)
    if (
        not isinstance(header, dict)
        or header.keys() != {"meta", "arrays"}
        or not isinstance(header["meta"], dict)
        or not isinstance(header["arrays"], list)
    ):
        raise Refused("W13", "malformed", got=shown(header), expected='a header with "meta" and "arrays"')
    at += length
    _check_padding(data, at, -at % ALIGN)  # 3
    at += -at % ALIGN
    arrays: dict[str, Array] = {}
    offset = 0
    for entry in header["arrays"]:
        name, array, size = _array(entry, data, at, offset)  # 2
        arrays[name] = array
        _check_padding(data, at + offset + size, -size % ALIGN)  # 3
        offset += size + -size % ALIGN
    if len(arrays) != len(header["arrays"]) or at + offset != len(data):  # 3
        raise Refused("W14", "corrupt", got=f"{len(data)} bytes", expected=f"{at + offset} bytes, each array once")
    return header["meta"], arrays


def _array(entry: object, data: bytes, base: int, offset: int) -> tuple[str, Array, int]:
    match entry:
        case {"name": str(name), "type": str(kind), "shape": list(shape), "offset": int(place), "bytes": int(size)}:
            pass
        case _:
            raise Refused("W14", "corrupt", got=shown(entry), expected="an array's name, type, shape, offset and bytes")
    sound = kind in _TYPES and len(shape) <= 8 and all(isinstance(side, int) and 0 <= side < 2**40 for side in shape)
    if not sound or place != offset:
        raise Refused("W14", "corrupt", got=shown(entry), expected=f"a known type and shape at offset {offset}")
    kind_of = np.dtype(_TYPES[kind])
    if size != math.prod(shape) * kind_of.itemsize or base + offset + size > len(data):
        raise Refused("W14", "corrupt", got=f"{size} bytes for {shown(name)}", expected="all bytes of its shape")
    flat = np.frombuffer(data, dtype=kind_of, count=math.prod(shape), offset=base + offset)
    return name, flat.reshape(shape).copy(), size


def _check_padding(data: bytes, at: int, size: int) -> None:
    if data[at : at + size] != b"\0" * size:
        raise Refused("W14", "corrupt", got=f"padding {shown(data[at : at + size])}", expected=f"{size} zero bytes")


def weights_digest(arrays: Mapping[str, Array]) -> Digest:
    """SHA-256 over the arrays named ``weights…``, in name order, each as a line of name, type, shape, then its bytes."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        if name.startswith("weights"):
            array = arrays[name]
            shape = "x".join(str(side) for side in array.shape)
            state.update(f"{name} {array.dtype.name} {shape}\n".encode())
            state.update(np.ascontiguousarray(array, dtype=_TYPES[array.dtype.name]).tobytes())
    return Digest(state.hexdigest())
