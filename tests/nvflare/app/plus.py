"""The training script of a genuine site, by the Client API: it adds one to every number."""

import nvflare.client as flare

flare.init()
while flare.is_running():
    model = flare.receive()
    params = {name: array + 1 for name, array in model.params.items()}
    flare.send(flare.FLModel(params=params, meta={"NUM_STEPS_CURRENT_ROUND": 1}))
