"""Annotated sites: what they do is recorded as hits, apart from traps, and both counts are exact."""
import os
import subprocess
from collections import Counter

import check
import guests
import session

SITES = ["plain", "read", "swap", "fill", "moved"]


def symbols(path):
    return {name: int(value, 16) for value, _, name in
            (line.split() for line in check.run("nm", path).splitlines() if len(line.split()) == 3)}


def places(at):
    rows = [(at[f"{site}_start"], at[f"{site}_end"], at[f"{site}_start"]) for site in SITES]
    rows.append((at["moved_thunk"], at["moved_thunk_end"], at["moved_start"]))
    return sorted(rows)


def write(path, rows, head="reheat-annotated 1\n"):
    with open(path, "w") as file:
        file.write(head + "".join(f"{start:x} {end:x} {site:x}\n" for start, end, site in rows))
    return path


def boot(build, out, qemu, options):
    s = session.Session(build, os.path.join(out, "session"))
    process = session.start(build, s.directory, qemu, ["-kernel", os.path.join(out, "hits32"), *guests.EXIT], guests.INSIDE + options)
    check.equal(f"hits32{options.split('=')[0]} {qemu[12:]}: exit", session.finish(process, 60)[0], 0x21)
    return s, s.counters()


def seen(s):
    traps, hits, elements = Counter(), Counter(), Counter()
    for r in s.records():
        key = r.ip, r.operation, r.access & ~0xfff, r.size
        traps[key] += not r.continued and not r.hit
        hits[key] += r.hit and not r.continued
        elements[key] += r.elements
    return {key: (traps[key], hits[key], elements[key]) for key in elements}


def all(build, out):
    path = guests.assemble("hits32", out)
    at = symbols(path)
    rows = places(at)
    file = write(os.path.join(out, "annotated"), rows)
    wanted = {(at[symbol], operation, int(page, 16), int(size)): (int(traps), int(hits), int(elements))
              for symbol, operation, page, size, traps, hits, elements in guests.expectations("hits32", "site")}
    traps, hits = (sum(row[i] for row in wanted.values()) for i in (0, 1))
    for qemu in guests.I386, guests.X86_64:
        s, counters = boot(build, out, qemu, f",annotated={file}")
        check.equal(f"hits, {qemu[12:]}: each site's traps, hits and elements", seen(s), wanted)
        check.equal(f"hits, {qemu[12:]}: the wedge's own counts", [counters[c] for c in ("counted", "hits-counted", "dropped", "dropped-hits")],
                    [traps, hits, 0, 0])
        info = dict(line.split(" ", 1) for line in open(os.path.join(s.directory, "wedge.info")).read().splitlines())
        check.equal(f"hits, {qemu[12:]}: places in wedge.info", info["annotated"], str(len(rows)))
    # The bytes that a moved site ran are those of its thunk's access.
    check.equal("hits: code of the moved site", s.code()[at["moved_start"]], "898308010000")

    s, counters = boot(build, out, guests.X86_64, "")
    check.equal("no places: all are traps", (counters["counted"], counters["hits-counted"]), (traps + hits, 0))
    s, counters = boot(build, out, guests.X86_64, f",capacity=16,annotated={file}")
    check.equal("full ring: traps and hits counted", (counters["counted"], counters["hits-counted"]), (traps, hits))
    check.equal("full ring: recorded + dropped", (counters["traps"] + counters["dropped"], counters["hits"] + counters["dropped-hits"]), (traps, hits))
    check.ok("full ring: both were dropped", counters["dropped"] > 0 and counters["dropped-hits"] > 0, counters)

    bad = os.path.join(out, "bad")
    plugin = os.path.join(build, "libreheat-qemu.so")
    for what, text in (("another head", "something else\n"), ("a line cut off", "reheat-annotated 1\n100 200\n"),
                       ("words behind", "reheat-annotated 1\n100 200 100 300\n"), ("an empty place", "reheat-annotated 1\n100 100 100\n"),
                       ("an overlap", "reheat-annotated 1\n100 200 100\n1ff 300 1ff\n"), ("no file", None)):
        if text is None:
            os.unlink(bad)
        else:
            with open(bad, "w") as out_file:
                out_file.write(text)
        done = subprocess.run([guests.X86_64, "-display", "none", "-nodefaults", "-plugin", f"{plugin},dir={out}/none,annotated={bad}"],
                              capture_output=True, text=True, timeout=30)
        check.ok(f"refused: places with {what}", done.returncode == 1 and f"reheat: {bad}:" in done.stderr, done)
    check.ok("refused: no session was begun", not os.path.exists(f"{out}/none"))
