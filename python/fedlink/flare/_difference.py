"""What to add to one model to come to another."""

from __future__ import annotations

from typing import Any


def difference(original: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """For the names that are in both, as the genuine Client API does it."""
    both = [name for name in original if name in new]
    if not both:
        raise RuntimeError(
            "params diff function failed: no common keys between original and new dict, parameters difference are empty."
        )
    try:
        return {name: _less(new[name], original[name]) for name in both}
    except Exception as error:
        raise RuntimeError(f"params diff function failed: {error}") from error


def _less(new: Any, original: Any) -> Any:
    if isinstance(new, list) and isinstance(original, list):
        return [new[index] - original[index] for index in range(len(new))]
    less = new - original
    kind = getattr(getattr(new, "dtype", None), "kind", "")
    if kind == "u" or kind == "i" and ((less < 0) != (new < original)).any():
        raise ValueError(f"the difference of numbers of {new.dtype} leaves their range: send the whole model")
    return less
