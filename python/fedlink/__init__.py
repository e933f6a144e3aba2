"""Trainers for fedlink.

`fedlink.client` is for programs of your own, `python3 -m fedlink.flare script.py` for scripts
that were written for NVFlare's Client API.
"""

__version__ = "0.1.0"
