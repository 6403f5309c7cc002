#!/usr/bin/env python3
"""Compares annotated objects with the plain ones of the same sources, function by function, and accepts no difference but padding NOPs, records and
what follows from moved code: branches, relocations, lengths, line tables, unwind data. By objdump and a reader of its own.

usage: checker.py [--jobs N] PLAIN ANNOTATED       two objects, or two directories: then every object with records is compared
exit code 1 if one of them differs otherwise
"""
import argparse
import concurrent.futures
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import elf  # noqa: E402
from pair import Pair, RECORDS  # noqa: E402


def compare(job):
    name, plain, annotated = job
    try:
        pair = Pair(plain, annotated, name)
        faults = pair.check()
        return name, pair.records, faults
    except Exception as error:  # what cannot be compared is not accepted
        return name, 0, [f"{name}: cannot be compared: {type(error).__name__}: {error}"]


def is_annotated(path):
    try:
        with open(path, "rb") as file:
            data = file.read()
        if RECORDS.encode() not in data:
            return False
        obj = elf.Object(path)
        # Several objects linked together repeat their parts.
        return sum(s.type == 4 for s in obj.symbols) < 2 and any(s.name.startswith(RECORDS) for s in obj.sections)
    except (OSError, ValueError):
        return False


def jobs_of(plain, annotated):
    if os.path.isfile(annotated):
        return [(annotated, plain, annotated)]
    jobs = []
    for directory, children, files in os.walk(annotated):
        children[:] = [c for c in children if c not in (".reheat", ".git")]
        for file in files:
            path = os.path.join(directory, file)
            name = os.path.relpath(path, annotated)
            if file.endswith(".o") and not file.startswith(".") and is_annotated(path) and os.path.exists(os.path.join(plain, name)):
                jobs.append((name, os.path.join(plain, name), path))
    return sorted(jobs)


def check(plain, annotated, jobs=None):
    """(objects compared, records seen, faults)"""
    work = jobs_of(plain, annotated)
    with concurrent.futures.ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        results = list(pool.map(compare, work, chunksize=1))
    return len(work), sum(r[1] for r in results), [fault for r in results for fault in r[2]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int)
    parser.add_argument("plain")
    parser.add_argument("annotated")
    options = parser.parse_args()
    count, records, faults = check(options.plain, options.annotated, options.jobs)
    for fault in faults:
        print(fault)
    print(f"{count} annotated objects with {records} records: {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
