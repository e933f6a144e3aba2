# A script for NVFlare's Client API, as its users write them: it knows nothing of fedlink.
import numpy as np

import nvflare.client as flare
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.client.tracking import SummaryWriter

flare.init()
writer = SummaryWriter()
print(f"site {flare.get_site_name()}, job {flare.get_job_id()}")
while flare.is_running():
    received = flare.receive()
    if flare.is_train():
        writer.add_scalar("mean", float(np.mean(received.params["numpy_key"])), received.current_round)
        trained = {name: array + 1 for name, array in received.params.items()}
        flare.send(
            FLModel(
                params=trained,
                params_type=ParamsType.FULL,
                metrics={"accuracy": 0.5 + 0.1 * received.current_round},
                meta={"NUM_STEPS_CURRENT_ROUND": 2},
            )
        )
    elif flare.is_evaluate():
        flare.send(FLModel(metrics={"accuracy": 0.75}))
    elif flare.is_submit_model():
        flare.send(FLModel(params={"numpy_key": np.full(3, 9.0)}))
