"""A PyTorch model, as NVFlare's own recipe for it makes the job."""

from pathlib import Path
from typing import Any

from harness.federation import Federation
from harness.lab import Lab
from harness.outcome import Failure, check
from harness.provision import SITES
from harness.scenario import scenario

APP = Path(__file__).parent.parent / "app"
RESULT = "FL_global_model.pt"
ROUNDS = 3
CLOSE = 1e-6


@scenario("recipe-torch", needs="torch")
def recipe_torch(lab: Lab) -> None:
    """Three rounds of a PyTorch model with a parameter without dimensions and a BatchNorm, in
    the default exchange format: every parameter is there, of its type, as with two genuine
    sites."""
    genuine = Federation(lab, "genuine")
    for site in SITES:
        genuine.genuine(site)
    wanted = train(genuine)
    lab.stop()

    mixed = Federation(lab, "mixed")
    mixed.fedlink("site-1", program="exec_plus", accepts=())
    mixed.genuine("site-2")
    found = train(mixed)
    check(found.keys() == wanted.keys(), f"there are {sorted(found)}, not {sorted(wanted)}")
    for name, tensor in wanted.items():
        here = found[name]
        kind = (here.dtype, here.shape)
        check(kind == (tensor.dtype, tensor.shape), f"{name} is {kind}, not {tensor.dtype}")
        apart = (here.double() - tensor.double()).abs().max().item()
        check(apart <= CLOSE, f"{name} is {apart} away from what two genuine sites make")


def train(federation: Federation) -> dict[str, Any]:
    """Runs the job of the recipe, and gives the parameters of the final model."""
    with federation.admin() as admin:
        folder = federation.result(admin, admin.submit(write(federation.folder / "jobs")), RESULT)
    return parameters(next(folder.rglob(RESULT)))


def write(folder: Path) -> Path:
    """Writes the job as the administrator submits it, and gives its folder."""
    from nvflare.app_opt.pt.recipes.fedavg import FedAvgRecipe

    from app.torch_net import Net

    recipe = FedAvgRecipe(
        name="torch",
        model=Net(),
        min_clients=len(SITES),
        num_rounds=ROUNDS,
        train_script=str(APP / "torch_plus.py"),
    )
    recipe.export(str(folder))
    return folder / "torch"


def parameters(file: Path) -> dict[str, Any]:
    """The parameters in a stored model, which must not be those that it began with."""
    import torch

    from app.torch_net import Net

    stored = torch.load(str(file), weights_only=False)
    found = stored.get("model", stored)
    start = Net().state_dict()
    if any(torch.equal(found[name], start[name]) for name in start):
        raise Failure("a parameter of the stored model has not been trained")
    return dict(found)
