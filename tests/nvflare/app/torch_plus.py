"""The training script of a genuine site for a PyTorch model: it adds a number to every number,
one for each site, so that what one of them leaves out is missed in the average."""

import nvflare.client as flare

flare.init()
more = {"site-1": 1, "site-2": 3}[flare.get_site_name()]
while flare.is_running():
    model = flare.receive()
    params = {name: tensor + more for name, tensor in model.params.items()}
    flare.send(flare.FLModel(params=params, meta={"NUM_STEPS_CURRENT_ROUND": 1}))
