import json
import os
import struct
import tempfile
import unittest
from typing import Any

import numpy as np
from fedlink import safetensors
from fedlink.safetensors import BFLOAT16, FormatError


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "file")

    def write(self, header: Any, contents: bytes = b"", length: int | None = None) -> None:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        with open(self.path, "wb") as file:
            file.write(struct.pack("<Q", len(text) if length is None else length) + text + contents)

    def back(self, arrays: dict[str, Any]) -> dict[str, Any]:
        safetensors.save(self.path, arrays)
        return safetensors.load(self.path)


class RoundTrip(Files):
    def test_every_type_and_shape_comes_back(self) -> None:
        arrays: dict[str, Any] = {}
        for name in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "c8"):
            for shape in ((), (0,), (3,), (2, 0), (2, 3, 4)):
                count = int(np.prod(shape))
                arrays[f"{name}{shape}"] = np.arange(count).astype(name).reshape(shape)
        back = self.back(arrays)
        self.assertEqual(list(back), list(arrays))
        for name, array in arrays.items():
            with self.subTest(name):
                self.assertEqual(back[name].dtype, array.dtype)
                self.assertEqual(back[name].shape, array.shape)
                np.testing.assert_array_equal(back[name], array)

    def test_order_of_bytes_and_of_memory_do_not_matter(self) -> None:
        array = np.arange(6, dtype=">f4").reshape(2, 3)
        for given in (array, np.asfortranarray(array), array[:, ::-1][:, ::-1]):
            back = self.back({"a": given})["a"]
            np.testing.assert_array_equal(back, array)
            self.assertEqual(back.dtype, np.dtype("<f4"))

    def test_numbers_and_lists_are_arrays(self) -> None:
        back = self.back({"number": 2.5, "list": [[1, 2], [3, 4]], "scalar": np.float32(1.5)})
        self.assertEqual(back["number"].shape, ())
        self.assertEqual(back["list"].tolist(), [[1, 2], [3, 4]])
        self.assertEqual(back["scalar"].dtype, np.float32)

    def test_writing_into_what_was_loaded_leaves_the_file(self) -> None:
        back = self.back({"a": np.zeros(3)})
        os.unlink(self.path)
        back["a"] += 1
        self.assertEqual(back["a"].tolist(), [1, 1, 1])

    def test_arrays_begin_where_they_can_be_mapped(self) -> None:
        for length in range(1, 70):
            self.back({"x" * length: np.zeros(3)})
            with open(self.path, "rb") as file:
                (header,) = struct.unpack("<Q", file.read(8))
            self.assertEqual((8 + header) % 64, 0)

    def test_metadata_comes_back(self) -> None:
        safetensors.save(self.path, {"a": [1.0]}, {"format": "np"})
        self.assertEqual(safetensors.load_with_metadata(self.path)[1], {"format": "np"})

    def test_nothing_is_an_empty_file_of_arrays(self) -> None:
        self.assertEqual(self.back({}), {})

    def test_what_the_format_lacks_is_refused_by_name(self) -> None:
        for value in (np.array(["text"]), np.array([object()]), np.zeros(1, "f2,f4"), np.zeros(1, "c16"), {"a": 1}):
            with self.subTest(value), self.assertRaisesRegex(TypeError, "`w`"):
                safetensors.save(self.path, {"w": value})
        with self.assertRaisesRegex(TypeError, "no name"):
            safetensors.save(self.path, {1: 2.0})  # type: ignore[dict-item]
        self.assertFalse(os.path.exists(self.path))


class Bfloat16(Files):
    def test_it_comes_back_as_its_bits(self) -> None:
        bits = np.arange(1 << 16, dtype="<u2").reshape(256, 256)
        back = self.back({"w": bits.view(BFLOAT16)})["w"]
        self.assertEqual((back.dtype, back.shape), (BFLOAT16, (256, 256)))
        np.testing.assert_array_equal(back["bfloat16"], bits)
        with open(self.path, "rb") as file:
            self.assertIn(b'"BF16"', file.read(200))

    def test_no_arithmetic_is_done_on_it_by_accident(self) -> None:
        array = safetensors.to_bfloat16([1.0])
        with self.assertRaises(TypeError):
            array + 1  # type: ignore[operator]

    def test_every_value_survives_float32(self) -> None:
        bits = np.arange(1 << 16, dtype="<u2")
        values = safetensors.to_float32(bits.view(BFLOAT16))
        back = safetensors.to_bfloat16(values)["bfloat16"]
        numbers = ~np.isnan(values)
        np.testing.assert_array_equal(back[numbers], bits[numbers])
        self.assertTrue(np.isnan(safetensors.to_float32(back.view(BFLOAT16))[~numbers]).all())

    def test_the_nearest_value_is_taken_half_to_even(self) -> None:
        # One step of bfloat16 at 1 is 2**-7.
        step = 2.0**-7
        given = [1 + 0.49 * step, 1 + 0.5 * step, 1 + 0.51 * step, 1 + 1.5 * step, 3.4e38, float("inf")]
        expected = [1, 1, 1 + step, 1 + 2 * step, float("inf"), float("inf")]
        self.assertEqual(safetensors.to_float32(safetensors.to_bfloat16(given)).tolist(), expected)

    def test_its_shape_is_kept(self) -> None:
        for shape in ((), (0,), (2, 3)):
            array = safetensors.to_bfloat16(np.ones(shape))
            self.assertEqual((array.shape, safetensors.to_float32(array).shape), (shape, shape))

    def test_other_types_are_not_taken_for_it(self) -> None:
        with self.assertRaises(TypeError):
            safetensors.to_float32(np.zeros(1, "<u2"))


class Hostile(Files):
    def test_files_that_lie_are_refused(self) -> None:
        def array(dtype: Any = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> Any:
            return {"a": {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}

        two = {**array(), "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
        for header, contents, problem in [
            (b"", b"", "no JSON"),
            (b"[1]", b"", "no JSON object"),
            (b"{", b"", "no JSON"),
            (b"[" * 100_000, b"", "no JSON"),
            (b'{"a":{},"a":{}}', b"", "occurs twice"),
            (b'{"a":{"dtype":"F32","dtype":"F32"}}', b"", "occurs twice"),
            (b"\xff\xfe", b"", "no JSON"),
            ({"a": 1}, b"", "must have dtype"),
            (array("F33"), bytes(4), "not known"),
            (array(["F32"]), bytes(4), "not known"),
            (array(shape=(2,)), bytes(4), "not what its shape takes"),
            (array(shape=(-1,)), bytes(4), "whole numbers"),
            (array(shape=(True,)), bytes(4), "whole numbers"),
            (array(shape=(1.0,)), bytes(4), "whole numbers"),
            (array(shape=(1 << 62, 1 << 62)), bytes(4), "not what its shape takes"),
            (array(offsets=(4, 0)), bytes(4), "not what its shape takes"),
            (array(offsets=(4, 8)), bytes(8), "does not begin"),
            (array(offsets=(0, 4, 8)), bytes(4), "whole numbers"),
            (array(), bytes(3), "take 4 bytes"),
            (array(), bytes(5), "take 4 bytes"),
            (two, bytes(4), "does not begin"),
            ({"__metadata__": {"a": 1}}, b"", "must be texts"),
            ({"__metadata__": []}, b"", "must be texts"),
        ]:
            self.write(header, contents)
            with self.subTest(header), self.assertRaisesRegex(FormatError, problem):
                safetensors.load(self.path)

    def test_lengths_that_lie_are_refused(self) -> None:
        for length, problem in [(1 << 62, "more than"), (1_000, "ends within")]:
            self.write(b"{}", length=length)
            with self.subTest(length), self.assertRaisesRegex(FormatError, problem):
                safetensors.load(self.path)
        with open(self.path, "wb") as file:
            file.write(b"1234567")
        with self.assertRaisesRegex(FormatError, "shorter"):
            safetensors.load(self.path)


if __name__ == "__main__":
    unittest.main()
