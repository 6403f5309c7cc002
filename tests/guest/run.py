#!/usr/bin/env python3
"""The loop on a real Linux guest, and hits of a small one, with the programs as a user runs them.
Last line: N passed, N failed, N skipped.

usage: run.py [--variant tiny|tiny32|demo] [--reheat PROGRAM] [PART]...   parts: account list kills ends hits second, all by default; many
"""
import argparse
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "wedge"))
sys.path.insert(0, os.path.join(HERE, "..", "second"))
sys.path.insert(0, HERE)
import check  # noqa: E402

import account  # noqa: E402
import annotations  # noqa: E402
import ends  # noqa: E402
import hits_guest  # noqa: E402
import kills  # noqa: E402
import many  # noqa: E402
import second  # noqa: E402
from loop import Guest  # noqa: E402

PARTS = {"account": account.all, "list": annotations.all, "kills": kills.all, "ends": ends.all, "hits": hits_guest.all, "second": second.all, "many": many.all}
BY_DEFAULT = [part for part in PARTS if part != "many"]     # it compiles a whole kernel
TOOLS = ["qemu-system-x86_64", "objdump", "psql", "readelf"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--variant", default="tiny")
    parser.add_argument("--reheat", default=os.path.join(HERE, "../../services/cli/bin/Release/net10.0/reheat"))
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    if not all([check.need(tool) for tool in TOOLS]):
        check.finish()
    guest = Guest(options.variant, os.path.abspath(options.reheat))
    for part in options.parts or BY_DEFAULT:
        try:
            PARTS[part](guest)
        except Exception as error:  # one part's trouble leaves the others their run
            check.ok(part, False, f"{type(error).__name__}: {error}")
    check.finish()


main()
