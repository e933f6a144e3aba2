"""NVFlare's Client API for scripts that were written for it.

`python3 -m fedlink.flare script.py` runs a script as it is: what it imports from `nvflare` is
this package. A script that is changed anyway can say `import fedlink.flare as flare`. What is
not covered raises an error with its name.
"""

from ._api import (
    APIContext,
    clear,
    get_config,
    get_job_id,
    get_site_name,
    get_task_name,
    init,
    is_evaluate,
    is_running,
    is_submit_model,
    is_train,
    log,
    receive,
    send,
    shutdown,
    system_info,
)
from ._constants import AnalyticsDataType
from ._decorators import evaluate, train
from ._model import FLModel, ParamsType

__all__ = [
    "APIContext",
    "AnalyticsDataType",
    "FLModel",
    "ParamsType",
    "clear",
    "evaluate",
    "get_config",
    "get_job_id",
    "get_site_name",
    "get_task_name",
    "init",
    "is_evaluate",
    "is_running",
    "is_submit_model",
    "is_train",
    "log",
    "receive",
    "send",
    "shutdown",
    "system_info",
    "train",
]
