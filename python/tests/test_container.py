import json
import math
import os
import sys
import tempfile
import types
import unittest
from typing import Any
from unittest import mock

import numpy as np
from fedlink import container, safetensors
from fedlink.safetensors import BFLOAT16, FormatError


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "file")

    def back(self, value: Any) -> Any:
        container.save(self.path, value)
        return container.load(self.path)

    def metadata(self) -> dict[str, str]:
        return safetensors.load_with_metadata(self.path)[1]

    def tree(self) -> Any:
        return json.loads(self.metadata()["fedlink.tree"])


class RoundTrip(Files):
    def test_a_flat_dict_of_arrays_has_no_tree(self) -> None:
        for value in ({}, {"a": np.zeros(2), "b/c": np.float32(1), "": np.ones(1)}):
            value.pop("", None)
            self.assertEqual(list(self.back(value)), list(value))
            self.assertEqual(self.metadata(), {"format": "np"})

    def test_plain_values_come_back(self) -> None:
        values: list[Any] = [
            None,
            True,
            0,
            -(1 << 70),
            0.1,
            -0.0,
            5e-324,
            "text",
            "",
            [],
            {},
            (),
            [1, [2.5, ["x"]]],
            (1, (2,)),
            {"a": {"b": [None]}},
            {1: "a", None: "b", (1, "x"): "c", 0.5: "d", b"k": "e", True and 2: "f"},
            {"$array": "no array"},
            b"",
            b"\x00\xff",
        ]
        for value in values:
            with self.subTest(value):
                back = self.back(value)
                self.assertEqual((back, type(back)), (value, type(value)))
        self.assertEqual(math.copysign(1, self.back(-0.0)), -1)

    def test_numbers_that_json_lacks_come_back(self) -> None:
        back = self.back([math.inf, -math.inf, math.nan])
        self.assertEqual(back[:2], [math.inf, -math.inf])
        self.assertTrue(math.isnan(back[2]))
        self.assertEqual(self.tree(), [{"$float": "inf"}, {"$float": "-inf"}, {"$float": "nan"}])

    def test_arrays_come_back_in_their_places(self) -> None:
        value = {"layers": [np.arange(3), np.eye(2, dtype="f4")], "bias": np.float64(2), "rate": 0.5}
        back = self.back(value)
        self.assertEqual(back["layers"][0].tolist(), [0, 1, 2])
        self.assertEqual(back["layers"][1].dtype, np.float32)
        self.assertEqual((back["bias"].shape, back["bias"].dtype, back["rate"]), ((), np.float64, 0.5))
        places = {"layers": [{"$array": "layers/0"}, {"$array": "layers/1"}], "bias": {"$array": "bias"}, "rate": 0.5}
        self.assertEqual(self.tree(), places)

    def test_one_place_is_not_taken_for_another(self) -> None:
        value = {"a": {"b": np.zeros(1)}, "a/b": np.ones(1), "a/b~1": np.full(1, 2.0), "": np.full(1, 3.0)}
        back = self.back(value)
        self.assertEqual((back["a"]["b"], back["a/b"], back["a/b~1"], back[""]), (0, 1, 2, 3))

    def test_an_array_alone_comes_back(self) -> None:
        self.assertEqual(self.back(np.arange(3)).tolist(), [0, 1, 2])

    def test_types_that_the_format_lacks_come_back_as_npy(self) -> None:
        arrays = [
            np.array(["a", "bc"]),
            np.array([b"a"]),
            np.zeros(2, "c16"),
            np.array(["2026-01-01"], "M8[D]"),
            np.zeros(2, [("a", "f4"), ("b", "i8")]),
        ]
        back = self.back({"all": arrays})["all"]
        for array, other in zip(arrays, back, strict=True):
            self.assertEqual(array.dtype, other.dtype)
            np.testing.assert_array_equal(array, other)
        self.assertEqual(self.tree()["all"][0], {"$npy": "all/0"})

    def test_bfloat16_comes_back(self) -> None:
        back = self.back({"w": safetensors.to_bfloat16([1, 2])})["w"]
        self.assertEqual(back.dtype, BFLOAT16)
        self.assertEqual(safetensors.to_float32(back).tolist(), [1, 2])

    def test_what_cannot_be_sent_is_named_with_its_place(self) -> None:
        deep: Any = []
        for _ in range(container.MAX_DEPTH):
            deep = [deep]
        for value, problem in [
            ({"a": [object()]}, "`a/0` is of type object"),
            ({"a": {1, 2}}, "`a` is of type set"),
            ({"a": 1j}, "`a` is of type complex"),
            ({"a": np.array([None])}, "`a` is an array of objects"),
            ({"a": np.zeros(1, [("x", object)])}, "`a` is an array of objects"),
            ({"a": {frozenset(): 1}}, "`a` has a key of type frozenset"),
            ({"x" * 1_025: np.zeros(1)}, "is no name of an array"),
            (deep, "more than 64 values deep"),
        ]:
            with self.subTest(problem), self.assertRaisesRegex(TypeError, problem):
                container.save(self.path, value)
        self.assertFalse(os.path.exists(self.path))


class Tensors(Files):
    class Tensor:
        """As far as a tensor of torch is looked at."""

        def __init__(self, array: Any) -> None:
            self.array, self.dtype = array, f"torch.{array.dtype}"

        def detach(self) -> Any:
            return self

        cpu = contiguous = detach

        def numpy(self) -> Any:
            return self.array

    def test_tensors_are_written_as_such_and_come_back_as_what_the_program_has(self) -> None:
        container.save(self.path, {"w": self.Tensor(np.ones(2, "f4"))})
        self.assertEqual(self.metadata(), {"format": "pt"})
        self.assertEqual(container.load(self.path)["w"].tolist(), [1, 1])
        torch = types.ModuleType("torch")
        torch.from_numpy = self.Tensor  # type: ignore[attr-defined]
        with mock.patch.dict(sys.modules, {"torch": torch}):
            self.assertIsInstance(container.load(self.path)["w"], self.Tensor)
            container.save(self.path, {"w": np.ones(2)})
            self.assertIsInstance(container.load(self.path)["w"], np.ndarray)

    def test_arrays_of_other_libraries_are_read_by_their_protocols(self) -> None:

        class ShowsArray:
            def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
                return np.arange(2)

        class ShowsDlpack:
            def __dlpack__(self, **kwargs: Any) -> Any:
                return np.arange(2).__dlpack__()

            def __dlpack_device__(self) -> Any:
                return np.arange(2).__dlpack_device__()

        for value in (ShowsArray(), ShowsDlpack()):
            self.assertEqual(self.back({"a": value})["a"].tolist(), [0, 1])


class Hostile(Files):
    def test_trees_that_lie_are_refused(self) -> None:
        objects = np.frombuffer(self.pickled(), dtype="u1")
        deep = "[" * 65 + "]" * 65
        for tree, arrays, problem in [
            ("", {}, "no JSON"),
            ("[" * 100_000, {}, "no JSON"),
            ("NaN", {}, "no JSON"),
            (deep, {}, "deep"),
            ('{"a":1,"a":2}', {}, "occurs twice"),
            ('{"$array":"a"}', {}, "not there"),
            ('{"$array":1}', {}, "not there"),
            ('[{"$array":"a"},{"$array":"a"}]', {"a": [1.0]}, "not there, or twice"),
            ("[]", {"a": [1.0]}, "`a` is not in the tree"),
            ('{"$array":"a","b":1}', {"a": [1.0]}, "begins with `\\$`"),
            ('{"$code":"a"}', {}, "means nothing"),
            ('{"$float":"1e5"}', {}, "means nothing"),
            ('{"$tuple":1}', {}, "means nothing"),
            ('{"$map":1}', {}, "means nothing"),
            ('{"$map":[1]}', {}, "must have pairs"),
            ('{"$map":[[[],1]]}', {}, "can be none"),
            ('{"$bytes":"a"}', {"a": [1.0]}, "must be of U8"),
            ('{"$npy":"a"}', {"a": np.zeros(3, "u1")}, "no .npy file"),
            ('{"$npy":"a"}', {"a": objects}, "no .npy file"),
        ]:
            safetensors.save(self.path, arrays, {"fedlink.tree": tree})
            with self.subTest(tree[:40]), self.assertRaisesRegex(FormatError, problem):
                container.load(self.path)

    def pickled(self) -> bytes:
        with open(self.path, "wb") as file:
            np.save(file, np.array([object], dtype=object), allow_pickle=True)
        with open(self.path, "rb") as file:
            return file.read()


if __name__ == "__main__":
    unittest.main()
