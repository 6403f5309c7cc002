"""rh_is_rmw against a table of encodings."""
import os
import subprocess

import check


def all(build, out):
    rows = []
    for line in open(os.path.join(check.HERE, "rmw.txt")):
        if not line.startswith("#"):
            bits, code, expected, assembly = line.rstrip("\n").split(None, 3)
            rows.append((bits, code, expected, assembly))
    text = "".join(f"{bits} {code}\n" for bits, code, _, _ in rows)
    answers = subprocess.run([os.path.join(build, "rmw-filter")], input=text, capture_output=True, text=True,
                             check=True).stdout.split()
    check.equal("rmw: an answer for each line", len(answers), len(rows))
    for (bits, code, expected, assembly), answer in zip(rows, answers):
        check.equal(f"rmw {bits} {code} {assembly}", answer, expected)
