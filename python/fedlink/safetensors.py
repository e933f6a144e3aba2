"""Arrays in a file: safetensors, with numpy alone.

Types that numpy lacks come as their bits: an array of bfloat16 has the dtype `BFLOAT16`, a
structure with one field of 16 bits, so that no arithmetic is done on it by accident.
`to_float32` and `to_bfloat16` convert. `array["bfloat16"]` are the bits as integers.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BFLOAT16 = np.dtype([("bfloat16", "<u2")])
FLOAT8_E4M3 = np.dtype([("float8_e4m3fn", "u1")])
FLOAT8_E5M2 = np.dtype([("float8_e5m2", "u1")])

# By the name in the file.
_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "F8_E4M3": FLOAT8_E4M3,
    "F8_E5M2": FLOAT8_E5M2,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
    "C64": np.dtype("<c8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
# Types of other packages that numpy shows as bytes without a meaning.
_FOREIGN = {dtype.names[0]: dtype for dtype in (BFLOAT16, FLOAT8_E4M3, FLOAT8_E5M2) if dtype.names}

# The longest header, in bytes: room for about 100,000 arrays. A site takes no longer one.
MAX_HEADER = 16 << 20
# The longest name of an array, in bytes of UTF-8.
MAX_NAME = 1_024
# The most dimensions of an array: numpy has no more.
MAX_DIMENSIONS = 64
# Where the arrays begin: a multiple of this, so that they can be mapped as what they are.
_ALIGNMENT = 64


class FormatError(ValueError):
    """The file is not what the format allows."""


def to_float32(array: Array) -> npt.NDArray[np.float32]:
    """The values of an array of bfloat16, without loss."""
    if array.dtype != BFLOAT16:
        raise TypeError(f"an array of bfloat16 is needed, not of {array.dtype}")
    bits = array["bfloat16"].astype(np.uint32) << np.uint32(16)
    return bits.view(np.float32)


def to_bfloat16(array: npt.ArrayLike) -> Array:
    """The nearest values of bfloat16, half to even."""
    values = np.array(array, dtype="<f4", order="C")
    bits = values.reshape(-1).view("<u4").reshape(values.shape)
    rounded = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) >> np.uint32(16)
    # What is no number stays none.
    quiet = (bits >> np.uint32(16)) | np.uint32(0x0040)
    halves = np.where(np.isnan(values), quiet, rounded).astype("<u2")
    return halves.view(BFLOAT16)


def as_array(name: str, value: Any) -> Array:
    """An array of this process, or of another library that can show one, in the file's order
    of bytes.

    Raises TypeError if the format has no such type.
    """
    if hasattr(value, "detach"):
        value = _from_torch(value)
    elif hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        value = np.from_dlpack(value)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ValueError(f"`{name}` is an array with a mask, which cannot be sent: fill it first")
    array = np.asarray(value, order="C")
    if array.dtype.name in _FOREIGN:
        array = array.view(_FOREIGN[array.dtype.name])
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype not in _NAMES:
        raise TypeError(f"`{name}`: safetensors has no type for arrays of {array.dtype}")
    return array


def _from_torch(tensor: Any) -> Any:
    tensor = tensor.detach().cpu().contiguous()
    if str(tensor.dtype) == "torch.bfloat16":
        import torch

        return tensor.view(torch.int16).numpy().view("<u2").view(BFLOAT16)
    return tensor.numpy()


def save(path: str | os.PathLike[str], arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> None:
    """Writes the arrays; the file is there whole, or not at all."""
    header: dict[str, Any] = {}
    if metadata:
        header["__metadata__"] = dict(metadata)
    contents: list[Array] = []
    position = 0
    for name, value in arrays.items():
        if not _is_name(name):
            raise TypeError(
                f"{name!r:.100} is no name of an array: it must be a text of 1 to {MAX_NAME} bytes,"
                " and not `__metadata__`"
            )
        array = as_array(name, value)
        end = position + array.nbytes
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [position, end],
        }
        position = end
        contents.append(array)
    text = json.dumps(header, allow_nan=False).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise ValueError(f"the names and shapes take {len(text)} bytes, more than {MAX_HEADER}: send fewer arrays")
    part = f"{os.fspath(path)}.part"
    with open(part, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for array in contents:
            if array.size:
                file.write(array.reshape(-1).view("u1").data)
    os.replace(part, path)


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays of a file. They are mapped: their bytes are read when they are used, and the
    file may be deleted meanwhile. Writing into them does not change the file."""
    return load_with_metadata(path)[0]


def load_with_metadata(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of a file and what it says of itself."""
    with open(path, "rb") as file:
        header, start = _read_header(file)
        size = os.fstat(file.fileno()).st_size - start
        contents: Array
        if size:
            contents = np.memmap(file, dtype="u1", mode="c", offset=start, shape=(size,))
            contents = np.asarray(contents)
        else:
            contents = np.zeros(0, dtype="u1")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise FormatError("`__metadata__` must be texts by name")
    places = {name: _place(name, described) for name, described in header.items()}
    position = 0
    for name, (_, _, begin, end) in sorted(places.items(), key=lambda item: item[1][2:]):
        if begin != position:
            raise FormatError(f"`{name}` does not begin where the array before it ends")
        position = end
    if position != size:
        raise FormatError(f"the arrays take {position} bytes, and the file has {size} for them")
    arrays = {
        name: contents[begin:end].view(dtype).reshape(shape) for name, (dtype, shape, begin, end) in places.items()
    }
    return arrays, metadata


def _read_header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    prefix = file.read(8)
    if len(prefix) < 8:
        raise FormatError("the file is shorter than the length of its header")
    (length,) = struct.unpack("<Q", prefix)
    if length > MAX_HEADER:
        raise FormatError(f"the header has {length} bytes, more than {MAX_HEADER}")
    text = file.read(length)
    if len(text) < length:
        raise FormatError("the file ends within its header")
    try:
        header = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise FormatError("the header is no JSON object")
    return header, 8 + length


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _place(name: str, described: Any) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    """Type, shape, first and last byte of an array."""
    if not isinstance(described, dict) or set(described) != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"`{name}` must have dtype, shape and data_offsets")
    dtype = _DTYPES.get(described["dtype"]) if isinstance(described["dtype"], str) else None
    if dtype is None:
        raise FormatError(f"`{name}` has the type {described['dtype']!r}, which is not known")
    shape, offsets = described["shape"], described["data_offsets"]
    if isinstance(shape, list) and len(shape) > MAX_DIMENSIONS:
        raise FormatError(f"`{name}` has {len(shape)} dimensions, more than {MAX_DIMENSIONS}")
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        raise FormatError(f"`{name}`: shape and data_offsets must be whole numbers from 0")
    begin, end = offsets
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise FormatError(f"`{name}` has {end - begin} bytes, which is not what its shape takes")
    return dtype, tuple(shape), begin, end


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and name != "__metadata__" and 1 <= len(name.encode(errors="replace")) <= MAX_NAME


def _are_counts(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(type(number) is int and number >= 0 for number in numbers)
