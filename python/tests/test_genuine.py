"""What is in the place of NVFlare's Client API, beside the genuine one. Run by `python/run` with an
interpreter that has nvflare, where there is one."""

import importlib
import importlib.util
import inspect
import subprocess
import sys
import unittest
from typing import Any

from fedlink import flare
from fedlink.flare import _constants, _difference, _modules, _model

# Names of the genuine modules that are not covered: a script that uses one is told so.
NOT_COVERED = {
    "nvflare.client": {"IPCAgent"},
    "nvflare.client.api": {"ClientAPIType", "context_dict", "default_context", "global_context_lock"},
    "nvflare.client.api_context": {
        "ClientAPIType",
        "BOOTSTRAP_FILE_ENV_VAR",
        "CELL_API_TYPE",
        "CLIENT_API_CONFIG",
        "CLIENT_API_KEY",
        "CLIENT_API_TYPE_KEY",
        "DEFAULT_CONFIG",
        "data_bus",
    },
    "nvflare.client.decorator": {"ObjectHolder", "object_holder"},
    # Standalone analytics of processes without the Client API.
    "nvflare.client.tracking": {"init", "shutdown", "get_context", "log"},
    "nvflare.app_common.abstract.fl_model": set(),
}


@unittest.skipUnless(importlib.util.find_spec("nvflare"), "no nvflare in this interpreter")
class BesideTheGenuine(unittest.TestCase):
    def genuine(self, name: str) -> Any:
        return importlib.import_module(name)

    def test_every_public_name_is_covered_or_listed(self) -> None:
        covered = subprocess.run(
            [
                sys.executable,
                "-c",
                "from fedlink.flare import _modules; import sys; _modules.install()\n"
                "for name, module in list(sys.modules.items()):\n"
                "    if name.split('.')[0] == 'nvflare':\n"
                "        print(name, *[key for key in vars(module) if key[0] != '_'])",
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        ours = {line.split()[0]: set(line.split()[1:]) for line in covered.splitlines()}
        for name, listed in NOT_COVERED.items():
            genuine = self.genuine(name)
            # What a module only imports from elsewhere is not its own.
            own = {
                key
                for key, value in vars(genuine).items()
                if not key.startswith("_")
                and not inspect.ismodule(value)
                and (name == "nvflare.client" or getattr(value, "__module__", name) == name)
            }
            self.assertEqual(own - listed - ours[name], set(), name)
            self.assertFalse(listed & ours[name], name)

    def test_functions_take_the_same_arguments(self) -> None:
        genuine = self.genuine("nvflare.client")
        for name in flare.__all__:
            theirs = getattr(genuine, name, None)
            if inspect.isfunction(theirs):
                ours = inspect.signature(getattr(flare, name))
                with self.subTest(name):
                    self.assertEqual(list(ours.parameters), list(inspect.signature(theirs).parameters))
        for name in _modules.tracking.__all__:
            theirs = getattr(self.genuine("nvflare.client.tracking"), name)
            ours_class = getattr(_modules.tracking, name)
            for method, function in inspect.getmembers(theirs, inspect.isfunction):
                if not method.startswith("_"):
                    expected = list(inspect.signature(function).parameters)
                    self.assertEqual(list(inspect.signature(getattr(ours_class, method)).parameters), expected)

    def test_constants_are_the_same(self) -> None:
        for module, name in [
            ("nvflare.apis.analytix", "AnalyticsDataType"),
            ("nvflare.app_common.abstract.fl_model", "ParamsType"),
        ]:
            theirs, ours = getattr(self.genuine(module), name), getattr(_constants, name)
            self.assertEqual({one.name: one.value for one in ours}, {one.name: one.value for one in theirs})
        for module, name in [
            ("nvflare.apis.fl_constant", "FLMetaKey"),
            ("nvflare.app_common.abstract.fl_model", "FLModelConst"),
        ]:
            theirs, ours = getattr(self.genuine(module), name), getattr(_constants, name)
            for key, value in vars(ours).items():
                if not key.startswith("_"):
                    self.assertEqual(value, getattr(theirs, key), key)

    def test_a_model_is_made_or_refused_as_there(self) -> None:
        genuine = self.genuine("nvflare.app_common.abstract.fl_model").FLModel
        self.assertEqual(
            list(inspect.signature(_model.FLModel).parameters), list(inspect.signature(genuine).parameters)
        )
        cases: list[dict[str, Any]] = [
            {},
            {"params": {"a": 1}},
            {"params": {}},
            {"params": {"a": 1}, "params_type": "DIFF"},
            {"params": {"a": 1}, "params_type": "FULL"},
            {"params": {"a": 1}, "params_type": "OTHER"},
            {"params_type": "FULL"},
            {"params_type": "OTHER"},
            {"metrics": {"a": 1}},
            {"metrics": 1},
            {"metrics": [1]},
            {"meta": {"a": 1}},
            {"meta": "a"},
            {"start_round": None},
            {"start_round": -1},
            {"start_round": 1.0},
            {"current_round": 3, "total_rounds": 5},
            {"current_round": -3},
            {"current_round": "3"},
            {"total_rounds": True},
            {"total_rounds": -1},
            {"params": {"a": 1, "b": 2}, "optimizer_params": {"c": 3}, "metrics": {"d": 4}, "meta": {"e": 5}},
        ]
        for case in cases:
            with self.subTest(case):
                self.assertEqual(self.made(_model.FLModel, case), self.made(genuine, case))

    def made(self, kind: Any, case: dict[str, Any]) -> Any:
        try:
            model = kind(**case)
        except (TypeError, ValueError) as error:
            return type(error), str(error)
        fields = {name: value for name, value in vars(model).items() if name != "_summary"}
        return {name: str(value) for name, value in fields.items()}, str(model), repr(model)

    def test_differences_are_the_same(self) -> None:
        genuine = self.genuine("nvflare.client.utils").numerical_params_diff
        import numpy as np

        for original, new in [
            ({"a": np.array([1.0, 2.0])}, {"a": np.array([3.0, 5.0]), "b": np.zeros(1)}),
            ({"a": [1, 2], "b": 1.5}, {"a": [2, 4], "b": 1.0}),
            ({"a": np.float32(1), "c": 1}, {"a": np.float32(0.1)}),
        ]:
            theirs, ours = genuine(original, new), _difference.difference(original, new)
            lists = [{name: np.asarray(one).tolist() for name, one in found.items()} for found in (ours, theirs)]
            self.assertEqual(lists[0], lists[1])
        for original, new in [({"a": 1}, {"b": 1}), ({"a": np.zeros(2)}, {"a": np.zeros(3)}), ({"a": "x"}, {"a": "y"})]:
            with self.assertRaises(Exception):
                genuine(original, new)
            with self.assertRaisesRegex(RuntimeError, "params diff function failed"):
                _difference.difference(original, new)


if __name__ == "__main__":
    unittest.main()
