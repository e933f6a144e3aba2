"""`python3 -m fedlink.flare [--diff] script.py ARGS`"""

from __future__ import annotations

import os
import runpy
import sys

from . import _api, _modules

# Where processes that a script starts find `nvflare`.
CHILDREN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "children")
USAGE = "usage: python3 -m fedlink.flare [--diff] script.py [ARGS]"


def main() -> None:
    words = sys.argv[1:]
    if words and words[0] == "--diff":
        _api.sends_differences = True
        os.environ[_api.DIFFERENCES] = "1"
        words = words[1:]
    if not words or words[0].startswith("-"):
        sys.exit(USAGE)
    script = words[0]
    sys.argv = words
    _modules.install()
    # A script finds what is beside it.
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    # Processes that it starts find us as well: those of `multiprocessing` by the first, others by
    # the second.
    sys.path.insert(1, CHILDREN)
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = CHILDREN if not path else f"{CHILDREN}{os.pathsep}{path}"
    runpy.run_path(script, run_name="__main__")


main()
