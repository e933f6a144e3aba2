"""Makes the files of this folder with numpy: `python make.py`, with numpy 2.4."""

import warnings

import numpy as np
from numpy.lib import format as npy

OHM = "\u2126"


def make(name, dtype, value=0, version=None, length=1):
    array = np.full((length,), value, dtype=dtype) if value is not None else np.arange(3, dtype=dtype)
    with open(f"{name}.npy", "wb") as file, warnings.catch_warnings():
        # numpy says that older ones cannot read versions 2 and 3.
        warnings.simplefilter("ignore")
        npy.write_array(file, array, version=version)


make("plain", "<i4", None, (3, 0))
make("named-o", [("Ohm", "<i2"), ("O", "|u1")])
make("ohm", [("Ohm", "<f4"), (OHM, "<f8")])
make("latin", [("größe", "<i2"), ("it's ['O']", "|u1")])
make("latin-2", [("größe", "<i2"), ("b", "|u1")], version=(2, 0))
make("utf-8", [("größe", "<i2"), (OHM, "|u1")])
make("nested", [("a", [("O", "<f4"), ("b", "|S3")], (2,)), (("Title", "n"), "<i8")], length=2)
make("object", "O")
make("object-field", [("a", "<i2"), ("b", "O")])
make("object-nested", [("a", [("b", "O")], (2,))])
