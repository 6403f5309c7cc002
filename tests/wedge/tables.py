"""Page tables of tiny guests, of which every access to one is known, in each mode of paging."""
import os
import subprocess
from collections import Counter

import check
import guests
import session

NAMES = ["pte", "pmd", "pud", "p4d", "pgd"]
MULTI = ["-accel", "tcg,thread=multi", "-smp", "2"]
RUNS = [  # source, emulator, further arguments, plugin options
    ("tables64", guests.X86_64, [], ""), ("tables64", guests.X86_64, ["-machine", "q35", "-m", "6G"], ""),
    ("tables64", guests.X86_64, MULTI, ",filter=off"), ("tables57", guests.X86_64, ["-cpu", "max"], ""),
    ("tables32", guests.I386, [], ""), ("tables32", guests.X86_64, MULTI, ""), ("tables32", guests.I386, [], ",filter=off"),
]


def seen(records, with_reads):
    traps, elements = Counter(), Counter()
    for r in records:
        if with_reads or r.operation != "pt-read":
            key = r.operation, r.access & ~0xfff, r.size, NAMES[r.target] if r.target < len(NAMES) else r.target
            traps[key] += not r.continued
            elements[key] += r.elements
    return {key: (traps[key], elements[key]) for key in elements}


def run_one(build, out, source, qemu, arguments, options, tables):
    s = session.Session(build, os.path.join(out, "session"))
    process = session.start(build, s.directory, qemu, ["-kernel", os.path.join(out, source), *guests.EXIT, *arguments],
                            f"{guests.INSIDE},tables={tables}{options}")
    name = " ".join([source, qemu[12:], *arguments, f"tables={tables}{options}"])
    check.equal(f"{name}: exit", session.finish(process, 120)[0], 0x21)
    wanted = {(operation, int(page, 16), int(size), target): (int(traps), int(elements))
              for operation, page, size, target, traps, elements in guests.expectations(source, "table")
              if tables == "all" or tables == "writes" and operation != "pt-read"}
    got, counters = seen(s.records(), True), s.counters()
    check.equal(f"{name}: accesses to tables", {key: (got.get(key), wanted.get(key)) for key in {*got, *wanted} if got.get(key) != wanted.get(key)}, {})
    check.equal(f"{name}: nothing dropped or spurious", [counters[c] for c in ("open", "dropped", "spurious", "corrupted")], [0] * 4)
    with open(os.path.join(s.directory, "wedge.info")) as info:
        targets = [line.split()[1] for line in info if line.startswith("target ")]
    check.equal(f"{name}: targets' names", targets, NAMES if tables != "off" else [])


def refused(build, out):
    plugin = os.path.join(build, "libreheat-qemu.so")
    taken = os.path.join(out, "taken")
    open(taken, "w").close()
    for options, message in (("tables=some", "option tables=some: expected off, writes or all"),
                             ("tables=all,walk=off", "option tables: this QEMU does not export"),
                             (f"tables=all,frames={taken}", f"option frames={taken}: cannot create")):
        done = subprocess.run([guests.X86_64, "-display", "none", "-nodefaults", "-plugin", f"{plugin},dir={out}/none,{options}"],
                              capture_output=True, text=True, timeout=30)
        check.ok(f"refused: {options.replace(out, '…')}", done.returncode == 1 and f"reheat: {message}" in done.stderr, done)
    check.ok("refused: no session was begun", not os.path.exists(f"{out}/none"))


def all(build, out):
    for source in {run[0] for run in RUNS}:
        guests.assemble(source, out)
    for run in RUNS:
        run_one(build, out, *run, "all")
    for tables in "writes", "off":
        run_one(build, out, "tables64", guests.X86_64, [], "", tables)
    refused(build, out)
