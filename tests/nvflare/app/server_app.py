"""Where the server's model comes from and goes to."""

import os

import maths
import numpy as np
from nvflare.apis.fl_constant import FLContextKey
from nvflare.app_common.abstract.model import ModelLearnableKey, make_model_learnable
from nvflare.app_common.abstract.model_persistor import ModelPersistor


class ZerosPersistor(ModelPersistor):
    def __init__(self, shapes):
        super().__init__()
        self.shapes = shapes

    def load_model(self, fl_ctx):
        return make_model_learnable(weights=maths.start(self.shapes), meta_props={})

    def save_model(self, model_learnable, fl_ctx):
        workspace = fl_ctx.get_prop(FLContextKey.WORKSPACE_OBJECT)
        # In 2.5 results have no folder of their own.
        root = getattr(workspace, "get_result_root", workspace.get_run_dir)
        folder = root(fl_ctx.get_job_id())
        os.makedirs(folder, exist_ok=True)
        np.savez(os.path.join(folder, "final.npz"), **model_learnable[ModelLearnableKey.WEIGHTS])
