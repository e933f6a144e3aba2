"""Where and with what the comparison runs."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from fedlink import program


def describe() -> dict[str, str]:
    """Versions and the machine, by name."""
    return {
        "fedlink": _says(program("fedlink"), "--version").removeprefix("fedlink "),
        "NVFlare": version("nvflare"),
        "Flower": version("flwr"),
        "Python": platform.python_version(),
        "rustc": _says("rustc", "--version").removeprefix("rustc "),
        "machine": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "kernel": platform.release(),
        "load before": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _says(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
