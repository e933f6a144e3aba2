#!/usr/bin/env python3
"""A site's training in Python, with numpy alone.

fedlink runs this program once for each task of a job:

    fedlink join --nvflare KIT --exec python3 train.py --data wine.csv

and adds two paths at the end: an .npz file with the arrays of the server's model, which is
there, and another one, which this program has to write. Nothing else is needed: no nvflare,
no network, no class to inherit from.

The model is logistic regression: one array with a weight for each column of the data, and
a constant at the end. The data are a CSV file of numbers whose last column is 0 or 1.
Without --data they are drawn, differently for each site, so that there is something to try.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np

# Columns of the data that are drawn, enough for the job in the folder beside this file.
COLUMNS = 11


def main() -> None:
    options = parse()

    # What fedlink tells about the task stands in the environment. Other tasks than `train`
    # (`validate`, `submit_model`) would have other results: a program that cannot do what
    # is asked for says why on its error output and ends with another code than 0.
    task = os.environ["FEDLINK_TASK"]
    if task != "train":
        sys.exit(f"this program only trains, and the task is {task!r}")
    site = os.environ["FEDLINK_SITE"]
    turn = os.environ.get("FEDLINK_ROUND", "?")

    inputs, wanted = read_csv(options.data) if options.data else draw(site)

    # The model of the server. An .npz file is read like a dict of arrays. A server that has
    # no model yet sends none: then we begin one.
    with np.load(options.input) as model:
        arrays = {name: model[name] for name in model.files if name != "shareable.fobs"}
    arrays = arrays or {"weights": np.zeros(inputs.shape[1] + 1, np.float32)}
    if len(arrays) != 1:
        sys.exit(f"expected one array, not {', '.join(arrays)}")
    [(name, given)] = arrays.items()
    if given.size != inputs.shape[1] + 1:
        sys.exit(f"{given.size} weights do not fit {inputs.shape[1]} columns and a constant")

    weights = given.astype(np.float64).ravel()
    before = loss(weights, inputs, wanted)
    weights = train(weights, inputs, wanted, options.epochs, options.rate)
    after = loss(weights, inputs, wanted)

    # All that is printed shows up on the screen of fedlink.
    print(f"{site}, round {turn}: {len(wanted)} examples, loss {before:.4f} -> {after:.4f}")

    # The result: the same array, trained. numpy.savez, not savez_compressed.
    np.savez(options.output, **{name: weights.reshape(given.shape).astype(given.dtype)})

    # Headers of the result are optional. This one tells the server how much the result
    # counts in the average.
    headers = {"meta.NUM_STEPS_CURRENT_ROUND": len(wanted)}
    options.output.with_name("output.json").write_text(json.dumps(headers))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trains a model for fedlink.")
    parser.add_argument("--data", type=Path, help="a CSV file; the last column is 0 or 1")
    parser.add_argument("--epochs", type=int, default=5, help="passes over the data a round")
    parser.add_argument("--rate", type=float, default=0.5, help="how far each pass goes")
    parser.add_argument("input", type=Path, help="the arrays of the task")
    parser.add_argument("output", type=Path, help="where the arrays of the result go")
    return parser.parse_args()


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    table = np.loadtxt(path, delimiter=",", ndmin=2)
    return table[:, :-1], table[:, -1]


def draw(site: str) -> tuple[np.ndarray, np.ndarray]:
    """Examples of one truth, seen through the inputs that this site happens to have."""
    truth = np.random.default_rng(0).normal(size=COLUMNS)
    seed = int.from_bytes(hashlib.sha256(site.encode()).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    inputs = rng.normal(loc=rng.normal(scale=0.5, size=COLUMNS), size=(200, COLUMNS))
    return inputs, (inputs @ truth + rng.normal(size=200) > 0).astype(np.float64)


def train(
    weights: np.ndarray, inputs: np.ndarray, wanted: np.ndarray, epochs: int, rate: float
) -> np.ndarray:
    """Gradient descent over all examples."""
    columns = np.column_stack([inputs, np.ones(len(inputs))])
    for _ in range(epochs):
        chance = 1 / (1 + np.exp(-(columns @ weights)))
        weights = weights - rate * columns.T @ (chance - wanted) / len(wanted)
    return weights


def loss(weights: np.ndarray, inputs: np.ndarray, wanted: np.ndarray) -> float:
    """Mean logarithmic loss."""
    score = inputs @ weights[:-1] + weights[-1]
    return float(np.mean(np.logaddexp(0, np.where(wanted == 1, -score, score))))


if __name__ == "__main__":
    main()
