#!/usr/bin/env python3
"""Tests of the user-mode wedge, with the programs as a user runs them. Last line: N passed, N failed, N skipped.

usage: run.py [--prefix DIR] [PART]...     parts: lengths forms bad rounds both; all by default
  --prefix   test this installation; without it one is made in a temporary directory
"""
import argparse
import importlib
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[1:1] = [HERE] + [os.path.join(HERE, "..", other) for other in ("wedge", "second", "guest")]
import check  # noqa: E402

PARTS = ["lengths", "forms", "bad", "rounds", "both"]
TOOLS = ["gcc", "clang-14", "make", "ld", "objdump", "objcopy", "psql", "qemu-system-x86_64"]


class Context:
    def __init__(self, directory, prefix):
        self.directory, self.prefix = directory, prefix
        self.build = os.path.join(directory, "build")           # ringdump
        self.filters = os.path.join(directory, "user")
        self.wedge = os.path.join(prefix, "bin/reheat-user")
        self.reheat = os.path.join(prefix, "bin/reheat")

    def path(self, name):
        return os.path.join(self.directory, name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--prefix")
    parser.add_argument("parts", nargs="*", metavar="PART")
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            sys.exit(f"unknown part {part}: expected {' '.join(PARTS)}")
    if not all([check.need(tool) for tool in TOOLS]):
        check.finish()
    with tempfile.TemporaryDirectory(prefix="reheat-user-") as directory:
        context = Context(directory, os.path.abspath(options.prefix or os.path.join(directory, "install")))
        if not options.prefix:
            check.run(os.path.join(check.ROOT, "deploy/install.sh"), "--prefix", context.prefix)
        check.run("make", "-C", check.SOURCE, f"OUT={context.build}")
        for compiler in "gcc", "clang-14":
            out = context.filters if compiler == "gcc" else context.filters + "-clang"
            check.run("make", "-C", os.path.join(check.ROOT, "services/wedges/user"), f"OUT={out}", f"CC={compiler}")
            check.ok(f"build with {compiler}", True)
        for part in options.parts or PARTS:
            try:
                importlib.import_module(part).all(context)
            except Exception as error:  # one part's trouble leaves the others their run
                check.ok(part, False, f"{type(error).__name__}: {error}")
    check.finish()


main()
