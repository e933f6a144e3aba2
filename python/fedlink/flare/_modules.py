"""The modules that a script finds when it imports from `nvflare`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .. import flare
from . import _api, _constants, _model, tracking

VERSION = "2.9.0+fedlink"


class _Module(ModuleType):
    """Names what it lacks."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"fedlink.flare does not cover `{self.__name__}.{name}`")


class _Finder(MetaPathFinder):
    """Hears of the modules that there are none of, whether nvflare is installed or not."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.startswith("nvflare."):
            raise ModuleNotFoundError(f"fedlink.flare does not cover the module `{name}`", name=name)
        return None


def _public(module: ModuleType) -> dict[str, Any]:
    return {name: getattr(module, name) for name in module.__all__}


def install() -> None:
    """Puts the modules in the place of genuine ones."""
    client = _public(flare)
    client.pop("clear")
    context = client.pop("APIContext")
    model = {**_public(_model), "FLModelConst": _constants.FLModelConst, "MetaKey": _constants.MetaKey}
    functions = {name: value for name, value in client.items() if hasattr(_api, name)}
    modules: dict[str, dict[str, Any]] = {
        "nvflare": {"__version__": VERSION},
        "nvflare.apis": {},
        "nvflare.apis.analytix": {"AnalyticsDataType": _constants.AnalyticsDataType},
        "nvflare.apis.fl_constant": {"FLMetaKey": _constants.FLMetaKey},
        "nvflare.app_common": {},
        "nvflare.app_common.abstract": {},
        "nvflare.app_common.abstract.fl_model": model,
        "nvflare.client": client,
        "nvflare.client.api": {**functions, "APIContext": context, "clear": flare.clear, "get_context": _api.get_context},
        "nvflare.client.api_context": {"APIContext": context},
        "nvflare.client.decorator": {"evaluate": flare.evaluate, "train": flare.train},
        "nvflare.client.tracking": _public(tracking),
    }
    for name, values in modules.items():
        module = _Module(name)
        # Without it the import of a module below fails before the finder is asked.
        module.__path__ = []
        vars(module).update(values)
        sys.modules[name] = module
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], own, module)
    sys.meta_path.insert(0, _Finder())
