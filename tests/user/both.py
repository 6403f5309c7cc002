"""The same drivers under both wedges, as a process and on QEMU's PC: where both ran a function, the list has the same sites of it."""
import os
import re
import subprocess

import check
from guest import SECONDS, Run, drivers
from loop import Loop
from rounds import Here, agent

DEVICES = {"hpet", "lapic", "ioapic", "e1000"}


def functions(path):
    """{(unit, function and fingerprint): {ordinal: (accesses, instruction)}}"""
    found, unit, function = {}, "", ""
    with open(path) as lines:
        for line in lines:
            word, _, rest = line.strip().partition(" ")
            if word == "unit":
                unit = rest
            elif word == "function":
                function = rest
            elif word.isdigit():
                accesses, _, text = rest.partition(" | ")
                found.setdefault((unit, function), {})[int(word)] = sorted(accesses.split()), text
    return found


def devices(sites):
    """Sites of page tables left out: not every wedge sees them."""
    kept = {ordinal: ([a for a in accesses if a.rsplit(":", 1)[1] in DEVICES], text) for ordinal, (accesses, text) in sites.items()}
    return {ordinal: site for ordinal, site in kept.items() if site[0]}


def pull(loop, series):
    path = os.path.join(loop.directory, series)
    loop.reheat("annotations", "pull", "--wait", "--series", series, "-o", path)
    return functions(path)


def alone(context, pc):
    """The list of a session that is read once QEMU has ended, from the rings and the memory map in its directory."""
    where = context.path("pc-session")
    plugin = os.path.join(context.build, "libreheat-qemu.so")
    done = subprocess.run([*qemu(pc + ".kernel"), "-plugin", f"{plugin},dir={where},tables=writes"],
                          capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    check.equal("QEMU: a guest without an agent", (done.returncode, os.path.exists(os.path.join(where, "memory-map"))), (0x21, True))
    with Loop(Here(context)) as loop:
        loop.reheat("builds", "add", "--series", "alone", pc)
        loop.reheat("agent", "--session", where, "--wedge", "test/alone", "--image", pc)
        return pull(loop, "alone")


def qemu(kernel):
    return ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-icount", "shift=10,sleep=off", "-m", "64", "-nodefaults", "-no-reboot", "-display", "none",
            "-netdev", "user,id=n,restrict=on", "-device", "e1000,netdev=n", "-chardev", "stdio,id=c", "-device", "isa-debugcon,iobase=0xe9,chardev=c",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-kernel", kernel]


def all(context):
    directory = drivers(context, "both")
    process, pc = (os.path.join(directory, name) for name in ("process", "pc"))
    with Loop(Here(context)) as loop:
        run = Run(context, process, name="both-session")
        loop.reheat("builds", "add", "--series", "process", process)
        agent(loop, run, process)
        here = pull(loop, "process")

        loop.guest.vmlinux, loop.guest.qemu = pc, lambda: qemu(pc + ".kernel")
        code, result, errors = loop.end(loop.begin())
        if not check.ok("QEMU: the same guest runs on a PC", code == 8 and result["qemu_exit_code"] == 0x21, (code, result, errors[-1000:])):
            return
        with open(loop.console, "rb") as console:
            check.equal("QEMU: and says the same", console.read().replace(b"\r", b""), run.output)
        there = pull(loop, "test")
        shared = {key for key in here.keys() & there.keys() if re.search(r"(hpet|apic|e1000)\.c$", key[0])}
        check.ok(f"both wedges list functions of all three device drivers, {len(shared)} of them", len(shared) > 10 and len({unit for unit, _ in shared}) == 3, shared)
        check.equal("no function of a driver is in one list alone", sorted(key for key in here.keys() ^ there.keys() if re.search(r"(hpet|apic|e1000)\.c$", key[0])), [])
        # The guest ends QEMU itself and at once: nobody has time to ask for the memory map, or only for one without the e1000's BAR.
        check.equal("QEMU: a session that nobody watched gives the same list", alone(context, pc), there)
        differ = [(key, devices(here[key]), devices(there[key])) for key in sorted(shared) if devices(here[key]) != devices(there[key])]
        check.equal(f"both wedges list the same {sum(len(devices(here[key])) for key in shared)} sites of them", differ[:3], [])
        check.ok("and all of them is a list", sum(len(here[key]) for key in shared) > 30)
