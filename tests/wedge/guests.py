"""Tiny guests of which every access is known: what the wedge records has to equal it."""
import os
import re
from collections import Counter

import check
import session

X86_64, I386 = "qemu-system-x86_64", "qemu-system-i386"
INSIDE = ",inside=0x100000-0x400000,inside=0xffffffff80100000-0xffffffff80400000"
OVERLAID = ["-device", "edu,addr=5", "-netdev", "user,id=n", "-device", "e1000,addr=6,netdev=n"]
LARGE = f",capacity={1 << 21}"
RUNS = [  # source, emulator, further arguments, plugin options
    ("forms32", I386, [], INSIDE), ("forms32", X86_64, [], INSIDE), ("forms32", X86_64, [], INSIDE + ",bits=32"),
    ("forms32", I386, [], INSIDE + ",walk=off"), ("forms32", I386, [], INSIDE + ",filter=off"),
    ("forms32", X86_64, ["-accel", "tcg,thread=multi", "-smp", "2"], INSIDE),
    ("forms64", X86_64, [], INSIDE), ("forms64", X86_64, [], INSIDE + ",bits=64"),
    ("forms64", X86_64, ["-machine", "q35"], INSIDE),
    ("forms64", X86_64, ["-accel", "tcg,thread=multi", "-smp", "2"], INSIDE),
    ("remap64", X86_64, [], INSIDE), ("remap64", X86_64, ["-m", "6G", "-machine", "q35"], INSIDE),
    ("rep32", I386, [], INSIDE), ("rep32", X86_64, [], INSIDE), ("rep32", X86_64, ["-machine", "q35"], INSIDE),
    ("rep32", X86_64, ["-icount", "shift=3"], INSIDE),
    ("offset32", I386, OVERLAID, INSIDE), ("offset32", X86_64, ["-machine", "q35", *OVERLAID], INSIDE),
    ("offset32", I386, OVERLAID, INSIDE + ",walk=off"),
    ("irq32", I386, [], INSIDE + LARGE), ("irq32", X86_64, [], INSIDE + LARGE + ",filter=off"),
    ("irq32", X86_64, ["-icount", "shift=3"], INSIDE + LARGE),
]


def assemble(source, out, flat=False):
    objects = os.path.join(out, source + ".o")
    path = os.path.join(out, source)
    here = os.path.join(check.HERE, "guests")
    check.run("gcc", "-m32", "-c", "-Wa,-I" + here, "-o", objects, os.path.join(here, source + ".S"))
    if flat:
        check.run("objcopy", "-O", "binary", "-j", ".text", objects, path)
    else:
        check.run("ld", "-m", "elf_i386", "-T", os.path.join(check.HERE, "guest.lds"), "-o", path, objects)
    return path


def expectations(source, word):
    text = open(os.path.join(check.HERE, "guests", source + ".S")).read()
    return [line.split() for line in re.findall(rf"^ \* {word} (.*)$", text, re.M)]


def counts(records):
    """{(operation, page, size): (traps, elements)}"""
    traps, elements = Counter(), Counter()
    for r in records:
        key = r.operation, r.access & ~0xfff, r.size
        traps[key] += not r.continued
        elements[key] += r.elements
    return {key: (traps[key], elements[key]) for key in elements}


def expected(source, got, word="expect"):
    wanted = {(operation, int(page, 16), int(size)): (int(traps), int(elements))
              for operation, page, size, traps, elements in expectations(source, word)}
    for page, size, each in expectations(source, "expect-main"):
        rounds = got.get(("read", 0xfed00000, 4), (0, 0))[0]
        wanted["read", 0xfed00000, 4] = rounds, rounds
        wanted["write", int(page, 16), int(size)] = rounds, rounds * int(each)
    return wanted


def differences(got, wanted):
    return [f"{operation} {page:x} size {size}: got {got.get(key)}, expected {wanted.get(key)}"
            for key in sorted(set(got) | set(wanted)) if got.get(key) != wanted.get(key)
            for operation, page, size in [key]]


EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-vga", "std"]


def run_one(build, out, source, qemu, arguments, options):
    directory = os.path.join(out, "session")
    process = session.start(build, directory, qemu,
                            ["-kernel", os.path.join(out, source), *EXIT, *arguments], options)
    status, _ = session.finish(process, 120)
    name = " ".join([source, qemu[12:], *arguments, options.replace(INSIDE, "")]).strip()
    s = session.Session(build, directory)
    got = counts(s.records())
    counters = s.counters()
    check.equal(f"{name}: exit", status, 0x21)
    word = "reported" if source == "offset32" and "walk=off" in options else "expect"
    check.equal(f"{name}: accesses", differences(got, expected(source, got, word)), [])
    check.equal(f"{name}: closed, nothing dropped or spurious",
                [counters[c] for c in ("open", "dropped", "dropped-records", "spurious", "corrupted")], [0] * 5)
    sites = {r.ip for r in s.records()}
    if source == "forms64":   # an emulator that shares translations between virtual addresses would fail here
        high = sum(r.ip >> 63 for r in s.records())
        check.equal(f"{name}: half of the records from the high address", 2 * high, counters["records"])
    check.equal(f"{name}: code of each site", sorted(sites), sorted(s.code()))


def bios(build, out):
    """16-bit code without any other firmware: also what is outside can be counted."""
    image = assemble("real16", out, flat=True)
    directory = os.path.join(out, "session")
    for options in (",inside=0xf0000-0xf8000", ""):
        process = session.start(build, directory, X86_64, ["-bios", image, *EXIT], options)
        status, _ = session.finish(process, 60)
        s = session.Session(build, directory)
        got, counters = counts(s.records()), s.counters()
        outside = int(expectations("real16", "outside")[0][0])
        check.equal(f"real16{options}: exit", status, 0x21)
        if options:
            check.equal("real16: accesses", differences(got, expected("real16", got)), [])
            check.equal("real16: outside", counters["outside"], outside)
            inside = counters["traps"]
        else:
            check.equal("real16: all inside without a range", counters["traps"], inside + outside)


def all(build, out):
    for source in {run[0] for run in RUNS}:
        assemble(source, out)
    for run in RUNS:
        run_one(build, out, *run)
    bios(build, out)
