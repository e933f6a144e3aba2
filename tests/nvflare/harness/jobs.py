"""Numpy jobs for the genuine server, and what must come of them."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from app import maths

from .logs import Log
from .outcome import Failure, check

APP = Path(__file__).parent.parent / "app"
TOLERANCE = 1e-6
Shapes = dict[str, tuple[str, list[int]]]

SMALL: Shapes = {
    "dense.kernel": ("float32", [64, 32]),
    "dense.bias": ("float32", [32]),
    "scale": ("float64", [3]),
}


@dataclass(frozen=True)
class Job:
    """Federated averaging of a few arrays that start as zeros.

    With `inline` the server sends arrays in its messages, else as references to be pulled.
    """

    name: str
    sites: Sequence[str]
    shapes: Shapes = field(default_factory=lambda: SMALL)
    rounds: int = 3
    workflow: Literal["scatter", "fedavg"] = "scatter"
    inline: bool = False

    def write(self, folder: Path) -> Path:
        """Writes the job as the administrator submits it, and gives its folder."""
        job = folder / self.name
        _app(job / "for_server", "server", self._server(), "server_app.py")
        _app(job / "for_sites", "client", self._sites(), "site_app.py")
        deploy = {"for_server": ["server"], "for_sites": list(self.sites)}
        meta = {
            "name": self.name,
            "resource_spec": {},
            "min_clients": len(self.sites),
            "mandatory_clients": list(self.sites),
            "deploy_map": deploy,
        }
        (job / "meta.json").write_text(json.dumps(meta, indent=2))
        return job

    def check_used(self, log: Log, since: int) -> None:
        """Fails unless the server says that it has used each site's update of each round."""
        for site in self.sites:
            _check_count(log, since, rf"got result from client {site} for task", self.rounds)
        count = len(self.sites)
        if self.workflow == "fedavg":
            _check_count(log, since, rf"Aggregated {count}/{count} results", self.rounds)
            return
        for number in range(self.rounds):
            for site in self.sites:
                used = rf"Contribution from {site} ACCEPTED by the aggregator at round {number}\."
                _check_count(log, since, used, 1)
            _check_count(log, since, rf"aggregating {count} update\(s\) at round {number}\b", 1)

    def check_asked(self, log: Log, since: int) -> None:
        """Fails if a site has asked for a task that it had already: it costs another model."""
        for site in self.sites:
            _check_count(log, since, rf"assigned task to client {site}:", self.rounds)

    def expected(self) -> maths.Model:
        """The model after the last round."""
        model = maths.start(self.shapes)
        for number in range(self.rounds):
            model = maths.average(model, self.sites, number)
        return model

    def _server(self) -> dict[str, Any]:
        persistor = _component("persistor", "server_app.ZerosPersistor", shapes=self.shapes)
        if self.workflow == "fedavg":
            controller = _component(
                "controller",
                "nvflare.app_common.workflows.fedavg.FedAvg",
                num_clients=len(self.sites),
                num_rounds=self.rounds,
                persistor_id="persistor",
            )
            components = [persistor]
        else:
            controller = _component(
                "controller",
                "nvflare.app_common.workflows.scatter_and_gather.ScatterAndGather",
                min_clients=len(self.sites),
                num_rounds=self.rounds,
                wait_time_after_min_received=0,
                persistor_id="persistor",
                aggregator_id="aggregator",
                shareable_generator_id="generator",
            )
            components = [
                persistor,
                _component(
                    "aggregator",
                    "nvflare.app_common.aggregators.intime_accumulate_model_aggregator"
                    ".InTimeAccumulateWeightedAggregator",
                    expected_data_kind="WEIGHTS",
                ),
                _component(
                    "generator",
                    "nvflare.app_common.shareablegenerators.full_model_shareable_generator"
                    ".FullModelShareableGenerator",
                ),
            ]
        return {"workflows": [controller], "components": components, **self._transfer()}

    def _sites(self) -> dict[str, Any]:
        executor = {"path": "site_app.NumpyExecutor", "args": {}}
        return {
            "executors": [{"tasks": ["train"], "executor": executor}],
            "components": [],
            **self._transfer(),
        }

    def _transfer(self) -> dict[str, int]:
        return {"np_download_chunk_size": 0} if self.inline else {}


def _app(folder: Path, party: str, configuration: dict[str, Any], code: str) -> None:
    config = folder / "config"
    config.mkdir(parents=True)
    (config / f"config_fed_{party}.json").write_text(
        json.dumps(
            {
                "format_version": 2,
                "task_data_filters": [],
                "task_result_filters": [],
                **configuration,
            },
            indent=2,
        )
    )
    custom = folder / "custom"
    custom.mkdir()
    for file in ("maths.py", "gate.py", code):
        shutil.copy(APP / file, custom)


def _component(name: str, path: str, **arguments: Any) -> dict[str, Any]:
    return {"id": name, "path": path, "args": arguments}


def _check_count(log: Log, since: int, pattern: str, expected: int) -> None:
    count = log.count(pattern, since)
    check(count == expected, f"the server says /{pattern}/ {count} times, not {expected}")


def final_model(result: Path) -> maths.Model:
    """The model in a downloaded result."""
    found = list(result.rglob("final.npz"))
    if len(found) != 1:
        raise Failure(f"the result of the job holds {len(found)} final models")
    with np.load(found[0]) as arrays:
        return dict(arrays)


def check_equal(model: maths.Model, other: maths.Model, what: str) -> None:
    """Fails unless both have the same arrays, within the tolerance."""
    check(model.keys() == other.keys(), f"{what}: arrays {sorted(model)}, not {sorted(other)}")
    for name, array in model.items():
        twin = other[name]
        check(
            (array.dtype, array.shape) == (twin.dtype, twin.shape),
            f"{what}: {name} is {array.dtype}{array.shape}, not {twin.dtype}{twin.shape}",
        )
        difference = float(np.max(np.abs(array - twin)))
        check(difference <= TOLERANCE, f"{what}: {name} differs by up to {difference}")
