"""The trainer of a genuine site."""

import gate
import maths
from nvflare.apis.dxo import DXO, DataKind, MetaKey, from_shareable
from nvflare.apis.executor import Executor
from nvflare.app_common.app_constant import AppConstants


class NumpyExecutor(Executor):
    def execute(self, task_name, shareable, fl_ctx, abort_signal):
        site = fl_ctx.get_identity_name()
        number = shareable.get_header(AppConstants.CURRENT_ROUND)
        gate.enter(site, number)
        trained = maths.train(from_shareable(shareable).data, site, number)
        meta = {MetaKey.NUM_STEPS_CURRENT_ROUND: maths.steps(site)}
        return DXO(DataKind.WEIGHTS, data=trained, meta=meta).to_shareable()
