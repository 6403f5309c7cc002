#!/usr/bin/env python3
"""Tests of the QEMU wedge. Last line: N passed, N failed, N skipped.

usage: run.py [--reheat PROGRAM] [PART]...      parts: ring rmw guests hits tables ends conformance boots linux; all of them by default
"""
import argparse
import importlib
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check  # noqa: E402
import conformance  # noqa: E402

PARTS = ["ring", "rmw", "guests", "hits", "tables", "ends", "conformance", "boots", "linux"]
TOOLS = ["gcc", "g++", "clang-14", "clang++-14", "make", "ld", "objcopy", "qemu-system-x86_64", "qemu-system-i386"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reheat")
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    if options.reheat:
        conformance.reheat = os.path.abspath(options.reheat)
    parts = options.parts or PARTS
    for part in parts:
        if part not in PARTS:
            sys.exit(f"unknown part {part}: expected {' '.join(PARTS)}")
    if not all([check.need(tool) for tool in TOOLS]):
        check.finish()
    with tempfile.TemporaryDirectory(prefix="reheat-wedge-") as out:
        build = os.path.join(out, "build")
        for name, compiler in (("gcc", "gcc"), ("clang-14", "clang-14")):
            directory = build if name == "gcc" else build + "-clang"
            try:
                check.run("make", "-C", check.SOURCE, f"OUT={directory}", f"CC={compiler}")
                check.ok(f"build with {name}", True)
            except RuntimeError as error:
                check.ok(f"build with {name}", False, error)
                check.finish()
        for part in parts:
            try:
                importlib.import_module(part).all(build, out)
            except Exception as error:  # one part's trouble leaves the others their run
                check.ok(part, False, f"{type(error).__name__}: {error}")
    check.finish()


main()
