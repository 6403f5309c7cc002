"""Boots of a real Linux: the wedge's records equal QEMU's own trace, and QEMU survives.

Counts: REHEAT_EQUAL_BOOTS (5), REHEAT_SMP_BOOTS (30)."""
import os
import subprocess
import sys

import check
import conformance
import kernel
import session
import trace

KERNEL = "inside=0xffffffff80000000-0xffffffffff000000"
CAPACITY = ",capacity=2097152"
SECONDS = 300


def trace_of(out):
    return os.path.join(out, "trace")


def boot(build, out, processors, options, further=()):
    directory = os.path.join(out, "session")

    def once():
        if os.path.exists(trace_of(out)):
            os.unlink(trace_of(out))   # QEMU appends
        with open(os.path.join(out, "console"), "w+b") as log:
            process = session.start(build, directory, "qemu-system-x86_64", [*kernel.arguments(processors), *further], options,
                                    stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=session.watched(build))
            status, _ = session.finish(process, SECONDS)
            log.seek(0)
            return status, log.read().decode(errors="replace"), session.Session(build, directory)

    return session.survived(once, processors)


def equal(build, out, number):
    path = trace_of(out)
    processors = 1 if number % 2 else 4
    status, console, s = boot(build, out, processors, CAPACITY, ["-trace", f"memory_region_ops_*,file={path}"])
    if not check.equal(f"boot {number}, {processors} processors: exit", status, 0):
        print(console[-2000:])
        return
    counters = s.counters()
    compared = trace.Comparison(s.records(), trace.read(path))
    check.equal(f"boot {number}: nothing dropped", counters["dropped-records"], 0)
    check.equal(f"boot {number}: equal, access by access", compared.trouble[:3], [])
    check.equal(f"boot {number}: equal counts", compared.recorded, compared.traced)
    conformance.keeps(f"boot {number}", s.directory)
    print("      " + " ".join(f"{name}:{direction[0]}={count}" for (name, direction), count
                              in sorted(compared.recorded.items())),
          f"unassigned={compared.unassigned} messages={compared.messages} spurious={counters['spurious']}")
    sys.stdout.flush()


def survive(build, out, boots):
    ended = 0
    for number in range(boots):
        status, console, s = boot(build, out, 4, f",{KERNEL}{CAPACITY}")
        counters = s.counters()
        if status or counters["open"] or counters["corrupted"] or "Kernel panic" in console and kernel.find()[1]:
            check.ok(f"boot {number} with 4 processors", False, f"exit {status} {counters} {console[-1500:]}")
        else:
            ended += 1
    check.equal(f"boots with 4 processors on threads of their own that ended in order, of {boots}", ended, boots)


def all(build, out):
    for number in range(int(os.environ.get("REHEAT_EQUAL_BOOTS", 5))):
        equal(build, out, number)
    survive(build, out, int(os.environ.get("REHEAT_SMP_BOOTS", 30)))
