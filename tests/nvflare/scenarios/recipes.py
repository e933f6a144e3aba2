"""Jobs as NVFlare's recipes make them: what their configuration asks for is done or refused."""

from harness.federation import COMPLETED, JOB_TIME, Federation
from harness.jobs import Job, check_equal
from harness.lab import Lab
from harness.outcome import check
from harness.provision import SITES
from harness.recipes import Recipe
from harness.scenario import scenario

PRIVACY = {"path": "nvflare.app_common.filters.percentile_privacy.PercentilePrivacy", "args": {}}
NO_DIMENSIONS = {"logit_scale": ("float32", []), "temperature": ("float64", []), "w": ("float32", [3])}


@scenario("recipe-full")
def recipe_full(lab: Lab) -> None:
    """A recipe that takes full models: [1 2 3] becomes [3 4 5] in two rounds of plus one."""
    right(lab, Recipe("full", SITES))


@scenario("recipe-diff", quick=True)
def recipe_diff(lab: Lab) -> None:
    """A recipe that takes differences: [1 2 3] becomes [3 4 5] in two rounds of plus one."""
    right(lab, Recipe("diff", SITES, transfer="DIFF"))


def right(lab: Lab, recipe: Recipe) -> None:
    federation = Federation(lab)
    federation.fedlink("site-1", program="exec_plus", accepts=())
    federation.genuine("site-2")
    with federation.admin() as admin:
        job = admin.submit(recipe.write(federation.folder / "jobs"))
        model = recipe.result(federation.result(admin, job, recipe.RESULT))
    check(model == recipe.expected(), f"the model is {model}, not {recipe.expected()}")


@scenario("recipe-filter", stand_in=False)
def recipe_filter(lab: Lab) -> None:
    """A job that prescribes a privacy filter is refused at deployment with the reason, and runs
    where the operator says that the program applies it."""
    federation = Federation(lab)
    site = federation.fedlink("site-1", program="exec_plus", accepts=())
    federation.genuine("site-2")
    recipe = Recipe("filtered", SITES, filters=[PRIVACY])
    with federation.admin() as admin:
        job = admin.submit(recipe.write(federation.folder / "jobs"))
        reason = r"prescribes the filter \S+PercentilePrivacy"
        site.says(reason, JOB_TIME)
        status = admin.wait_for_end(job, JOB_TIME)
        check(status != COMPLETED, f"the job ended with {status}")
        federation.server.says(reason, JOB_TIME)
    site.process.stop()

    willing = ("--accept-filters", "PercentilePrivacy")
    federation.fedlink("site-1", label="willing", program="exec_plus", accepts=willing)
    with federation.admin() as admin:
        federation.complete(admin, admin.submit(recipe.write(federation.folder / "again")))


@scenario("no-dimensions")
def no_dimensions(lab: Lab) -> None:
    """Parameters without dimensions stay what they are through three rounds."""
    job = Job("scalars", SITES, shapes=NO_DIMENSIONS, workflow="fedavg")
    genuine = Federation(lab, "genuine")
    for site in SITES:
        genuine.genuine(site)
    wanted = genuine.run(job)
    lab.stop()

    mixed = Federation(lab, "mixed")
    mixed.fedlink("site-1")
    mixed.genuine("site-2")
    check_equal(mixed.run(job), wanted, "the model with fedlink and the genuine one")
