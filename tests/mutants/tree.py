"""A copy of what is committed, under target/mutants, to be broken and built."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target/mutants"
TREE = WORK / "tree"

# libtest stops at the first failure for nightly compilers, or for this.
ENVIRONMENT = os.environ | {
    "RUSTC_BOOTSTRAP": "1",
    "RUSTFLAGS": "--cap-lints=allow",
    "CARGO_TARGET_DIR": str(WORK / "build"),
    "CARGO_MANIFEST_DIR": str(TREE),
}


def check_out():
    """Brings what is committed to the tree; returns the commit."""
    if not TREE.exists():
        subprocess.run(["git", "clone", "--quiet", "--shared", ROOT, TREE], check=True)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()
    run("git", "fetch", "--quiet", "origin", commit)
    run("git", "checkout", "--quiet", "--force", commit)
    return commit[:7]


def build_tests(*which):
    """Builds the tests; returns their programs by name, or None if they do not compile."""
    done, messages = cargo("test", "--no-run", *which)
    if not done:
        return None
    programs = [it for it in messages if it["reason"] == "compiler-artifact" and it["executable"]]
    is_lib = ["lib"]
    return {
        "lib" if it["target"]["kind"] == is_lib else it["target"]["name"]: it["executable"]
        for it in programs
    }


def compiler_messages(*command):
    """What the compiler says during a cargo command."""
    _, messages = cargo(*command)
    return [it["message"] for it in messages if it["reason"] == "compiler-message"]


def cargo(command, *options):
    """Whether a cargo command succeeds, and what it reports."""
    which = ["--package=fedlink", "--all-features", "--profile=mutants"]
    ended = subprocess.run(
        ["cargo", command, *which, "--message-format=json", *options],
        cwd=TREE,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return ended.returncode == 0, [json.loads(line) for line in ended.stdout.splitlines()]


def write(path, text):
    """Writes what has changed, so that the rest is not built again."""
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def run(*command):
    return subprocess.check_output(command, cwd=TREE, text=True)
