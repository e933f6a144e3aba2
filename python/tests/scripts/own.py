# A trainer of one's own.
import os

from fedlink.client import job, log, tasks

log({"loaded": 1})
for task in tasks():
    if task.name == "fail":
        raise ValueError("patient 7 is missing")
    if task.name == "die" and not task.again:
        os._exit(3)
    task.progress(0.5)
    task.log({"loss": 0.25}, step=task.round)
    params = {name: array * job().config["factor"] for name, array in (task.params or {}).items()}
    task.done(params, weight=7, metrics={"accuracy": 0.5}, headers={"site": job().site}, kind="diff")
