"""A training whose outcome is known: the same wherever it runs.

A site's update depends on the model, the site's name and the round. Sites weigh
differently, so that an average that forgets the weights is found out.
"""

import zlib
from collections.abc import Sequence

import numpy as np

Model = dict[str, np.ndarray]


def start(shapes: dict[str, tuple[str, list[int]]]) -> Model:
    """Zeros of these types and shapes."""
    return {name: np.zeros(shape, dtype) for name, (dtype, shape) in shapes.items()}


def train(model: Model, site: str, number: int) -> Model:
    """The site's model after this round."""
    trained: Model = {}
    for name, array in model.items():
        seed = zlib.crc32(f"{site}/{number}/{name}".encode())
        noise = np.random.default_rng(seed).standard_normal(array.shape, np.float32)
        trained[name] = (array / 2 + noise).astype(array.dtype)
    return trained


def steps(site: str) -> int:
    """How much the site's update weighs."""
    return 1 + zlib.crc32(site.encode()) % 7


def average(model: Model, sites: Sequence[str], number: int) -> Model:
    """The common model after this round of these sites."""
    total = sum(steps(site) for site in sites)
    sums = {name: np.zeros(array.shape) for name, array in model.items()}
    for site in sites:
        for name, array in train(model, site, number).items():
            sums[name] += array * (steps(site) / total)
    return {name: sums[name].astype(array.dtype) for name, array in model.items()}
