"""Jobs as NVFlare's own recipes make them, with a script that adds one in each round."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .outcome import Failure

SCRIPT = Path(__file__).parent.parent / "app" / "plus.py"


@dataclass(frozen=True)
class Recipe:
    """Federated averaging of three numbers, by the Client API."""

    name: str
    sites: Sequence[str]
    transfer: Literal["FULL", "DIFF"] = "FULL"
    rounds: int = 2
    filters: Sequence[dict[str, Any]] = field(default_factory=list)

    START = (1.0, 2.0, 3.0)
    RESULT = "server.npy"

    def write(self, folder: Path) -> Path:
        """Writes the job as the administrator submits it, and gives its folder."""
        # Releases before 2.7 have no recipes, and run what is no recipe.
        from nvflare.app_common.np.recipes.fedavg import NumpyFedAvgRecipe

        recipe = NumpyFedAvgRecipe(
            name=self.name,
            min_clients=len(self.sites),
            num_rounds=self.rounds,
            model=list(self.START),
            train_script=str(SCRIPT),
            params_transfer_type=self.transfer,
        )
        recipe.export(str(folder))
        job = folder / self.name
        if self.filters:
            (configuration,) = job.rglob("config_fed_client.json")
            content = json.loads(configuration.read_text())
            content["task_result_filters"] = [{"tasks": ["*"], "filters": list(self.filters)}]
            configuration.write_text(json.dumps(content, indent=2))
        return job

    def expected(self) -> list[float]:
        """The numbers after the last round."""
        return [number + self.rounds for number in self.START]

    @classmethod
    def result(cls, folder: Path) -> list[float]:
        """The numbers in a downloaded result."""
        found = list(folder.rglob(cls.RESULT))
        if len(found) != 1:
            raise Failure(f"the result of the job holds {len(found)} models")
        return [float(number) for number in np.load(found[0]).ravel()]
