"""Values in a file: arrays, and what is put together from them.

A dict of arrays by name is a plain safetensors file. For any other value the metadata has a
tree under `fedlink.tree`, which is JSON and names the arrays:

| JSON | value |
|---|---|
| `null`, `true`, `17`, `0.5`, `"text"` | itself |
| `[…]`, `{"$tuple": […]}` | list, tuple |
| `{"key": …}` | dict whose keys are texts that do not begin with `$` |
| `{"$map": [[key, value], …]}` | dict with any other keys |
| `{"$array": name}` | the array of that name |
| `{"$npy": name}` | an array whose type safetensors lacks, as the bytes of its .npy file |
| `{"$bytes": name}` | bytes |
| `{"$float": "nan"}` | `nan`, `inf` or `-inf` |
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from . import safetensors
from .safetensors import Array, FormatError

TREE = "fedlink.tree"
# How deep values may lie in one another.
MAX_DEPTH = 64
_FLOATS = ("nan", "inf", "-inf")


def save(path: str | os.PathLike[str], value: Any) -> None:
    """Writes a value.

    Raises TypeError, with the place in the value, for what cannot be written: objects that
    would be code for whoever reads them are never.
    """
    writer = _Writer()
    tree = writer.tree(value, "", MAX_DEPTH)
    metadata = {"format": "pt" if writer.has_tensors else "np"}
    if not isinstance(value, dict) or tree != {name: {"$array": name} for name in writer.arrays}:
        metadata[TREE] = json.dumps(tree, allow_nan=False)
    safetensors.save(path, writer.arrays, metadata)


def load(path: str | os.PathLike[str]) -> Any:
    """The value of a file.

    Arrays are mapped, as `safetensors.load` says. They are tensors if the file was written
    from tensors and this process has imported torch, else they are numpy's.
    """
    arrays, metadata = safetensors.load_with_metadata(path)
    if metadata.get("format") == "pt" and "torch" in sys.modules:
        show: Callable[[Array], Any] = _tensor
    else:
        show = _itself
    if TREE not in metadata:
        return {name: show(array) for name, array in arrays.items()}
    try:
        tree = json.loads(metadata[TREE], object_pairs_hook=_Pairs, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the tree is no JSON: {error}") from error
    reader = _Reader(arrays, show)
    value = reader.value(tree, MAX_DEPTH)
    if reader.left:
        raise FormatError(f"array `{min(reader.left)}` is not in the tree")
    return value


class _Writer:
    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}
        self.has_tensors = False

    def tree(self, value: Any, place: str, depth: int) -> Any:
        if depth == 0:
            raise TypeError(f"`{place}` lies more than {MAX_DEPTH} values deep")
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, np.generic):
            value = np.asarray(value)
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {"$bytes": self.put(place, np.frombuffer(bytes(value), dtype="u1"))}
        if isinstance(value, (list, tuple)):
            parts = [self.tree(part, _below(place, index), depth - 1) for index, part in enumerate(value)]
            return parts if isinstance(value, list) else {"$tuple": parts}
        if isinstance(value, dict):
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {str(key): self.tree(part, _below(place, key), depth - 1) for key, part in value.items()}
            return {"$map": [self.pair(key, part, place, depth) for key, part in value.items()]}
        return self.array(value, place)

    def pair(self, key: Any, value: Any, place: str, depth: int) -> list[Any]:
        if not _can_be_key(key):
            raise TypeError(f"`{place}` has a key of type {type(key).__name__}, which cannot be sent")
        return [self.tree(key, _below(place, "key"), depth - 1), self.tree(value, _below(place, key), depth - 1)]

    def array(self, value: Any, place: str) -> dict[str, str]:
        if hasattr(value, "detach"):
            self.has_tensors = True
        elif not any(hasattr(value, name) for name in ("__array__", "__dlpack__", "__array_interface__")):
            raise TypeError(
                f"`{place}` is of type {type(value).__name__}, which cannot be sent:"
                " arrays, numbers, texts, bytes, None, lists, tuples and dicts can"
            )
        try:
            return {"$array": self.put(place, safetensors.as_array(place, value))}
        except TypeError:
            array = np.asarray(value)
            if array.dtype.hasobject:
                raise TypeError(f"`{place}` is an array of objects, which cannot be sent") from None
        file = io.BytesIO()
        np.save(file, array, allow_pickle=False)
        return {"$npy": self.put(place, np.frombuffer(file.getvalue(), dtype="u1"))}

    def put(self, place: str, array: Array) -> str:
        """Keeps an array under a name that is like its place."""
        # Long and empty names are none that a file can have; those of flat dicts are checked
        # when they are written.
        wished = place if place not in ("", "__metadata__") else "value"
        name, count = wished, 1
        while name in self.arrays:
            name, count = f"{wished}~{count}", count + 1
        self.arrays[name] = array
        return name


def _below(place: str, part: Any) -> str:
    return f"{place}/{part}" if place else str(part)


def _can_be_key(key: Any) -> bool:
    if isinstance(key, tuple):
        return all(_can_be_key(part) for part in key)
    return key is None or isinstance(key, (bool, int, float, str, bytes)) and not isinstance(key, np.generic)


class _Pairs:
    """A JSON object as it is written, so that a name that occurs twice is seen."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


class _Reader:
    def __init__(self, arrays: dict[str, Array], show: Callable[[Array], Any]) -> None:
        self.left = dict(arrays)
        self.show = show

    def value(self, tree: Any, depth: int) -> Any:
        if depth == 0:
            raise FormatError(f"values lie more than {MAX_DEPTH} deep")
        if isinstance(tree, list):
            return [self.value(part, depth - 1) for part in tree]
        if not isinstance(tree, _Pairs):
            return tree
        names = [name for name, _ in tree.pairs]
        if len(set(names)) != len(names):
            raise FormatError("a name occurs twice in the tree")
        if not any(name.startswith("$") for name in names):
            return {name: self.value(part, depth - 1) for name, part in tree.pairs}
        if len(names) != 1:
            raise FormatError("a dict in the tree has a name that begins with `$`")
        return self.marked(names[0], tree.pairs[0][1], depth)

    def marked(self, mark: str, content: Any, depth: int) -> Any:
        match mark:
            case "$array":
                return self.show(self.take(content))
            case "$bytes":
                return self.bytes(content)
            case "$npy":
                try:
                    return np.load(io.BytesIO(self.bytes(content)), allow_pickle=False)
                except (ValueError, EOFError, OSError) as error:
                    raise FormatError(f"array `{content}` holds no .npy file: {error}") from error
            case "$float" if content in _FLOATS:
                return float(content)
            case "$tuple" if isinstance(content, list):
                return tuple(self.value(part, depth - 1) for part in content)
            case "$map" if isinstance(content, list):
                return dict(self.pair(pair, depth) for pair in content)
        raise FormatError(f"the tree has a `{mark}` that means nothing")

    def pair(self, pair: Any, depth: int) -> tuple[Any, Any]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise FormatError("a `$map` of the tree must have pairs")
        key = self.value(pair[0], depth - 1)
        if not _can_be_key(key):
            raise FormatError("a `$map` of the tree has a key that can be none")
        return key, self.value(pair[1], depth - 1)

    def take(self, name: Any) -> Array:
        if not isinstance(name, str) or name not in self.left:
            raise FormatError(f"the tree names an array {name!r} that is not there, or twice")
        return self.left.pop(name)

    def bytes(self, name: Any) -> bytes:
        array = self.take(name)
        if array.dtype != np.dtype("u1") or array.ndim != 1:
            raise FormatError(f"array `{name}` holds bytes, and must be of U8 with one dimension")
        return array.tobytes()


def _itself(array: Array) -> Any:
    return array


def _tensor(array: Array) -> Any:
    torch: Any = sys.modules["torch"]
    if array.dtype == safetensors.BFLOAT16:
        return torch.from_numpy(array.view("<i2")).view(torch.bfloat16)
    return torch.from_numpy(array)


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")
