#!/usr/bin/env python3
"""Tests of the second pass: `reheat make`, the stand-ins, the installation, on small projects and on a real Linux.
Last line: N passed, N failed, N skipped.

usage: run.py [--prefix DIR] [--long] [PART]...     parts: install linker objects plain interrupts bad kernel identity; all by default
  --prefix   test this installation; without it one is made in a temporary directory
  --long     identity: a whole kernel instead of some of its objects
"""
import argparse
import importlib
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "wedge"))
sys.path.insert(0, HERE)
import check  # noqa: E402

PARTS = ["install", "linker", "objects", "plain", "interrupts", "bad", "kernel", "identity"]
TOOLS = ["gcc", "clang-14", "make", "ld", "as", "objdump", "objcopy", "readelf", "qemu-i386"]


class Context:
    def __init__(self, directory, prefix, is_long):
        self.directory, self.prefix, self.is_long = directory, prefix, is_long

    def new(self, name, create=False):
        path = os.path.join(self.directory, name)
        if create:
            os.makedirs(path)
        return path

    def copy(self, project):
        copy = project.directory + ".plain"
        shutil.copytree(project.directory, copy)
        return copy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--prefix")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("parts", nargs="*", metavar="PART")
    options = parser.parse_args()
    for part in options.parts:
        if part not in PARTS:
            sys.exit(f"unknown part {part}: expected {' '.join(PARTS)}")
    if not all([check.need(tool) for tool in TOOLS]):
        check.finish()
    with tempfile.TemporaryDirectory(prefix="reheat-second-") as directory:
        prefix = os.path.abspath(options.prefix) if options.prefix else os.path.join(directory, "an installation")
        context = Context(directory, prefix, options.long)
        parts = options.parts or PARTS
        if not options.prefix and "install" not in parts:
            check.run(os.path.join(check.ROOT, "deploy/install.sh"), "--prefix", prefix)
        for part in parts:
            try:
                importlib.import_module(part).all(context)
            except Exception as error:  # one part's trouble leaves the others their run
                check.ok(part, False, f"{type(error).__name__}: {error}")
    check.finish()


main()
