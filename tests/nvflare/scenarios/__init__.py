"""What must work between fedlink and the genuine NVFlare.

Importing the modules registers what is in them, in this order.
"""

from harness.scenario import SCENARIOS

# isort: off
from . import registration
from . import checks
from . import proxies
from . import refusals
from . import training
from . import recipes
from . import pytorch
from . import large
from . import aborts
from . import restarts
from . import renewals
from . import network
from . import twins
from . import race
from . import releases

__all__ = [
    "SCENARIOS",
    "aborts",
    "checks",
    "large",
    "network",
    "proxies",
    "pytorch",
    "race",
    "recipes",
    "refusals",
    "registration",
    "releases",
    "renewals",
    "restarts",
    "training",
    "twins",
]
