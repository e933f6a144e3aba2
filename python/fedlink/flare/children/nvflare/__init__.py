"""Stands for `nvflare` in Python processes that a script starts: `python3 -m fedlink.flare` puts
the folder above on their path."""

import os
import sys

try:
    from fedlink.flare import _modules
except ModuleNotFoundError:
    # It was found where the first process was started.
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 4)))
    from fedlink.flare import _modules

_modules.install()
