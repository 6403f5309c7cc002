"""The second half of the loop: a second pass over a real kernel, booted, until nothing changes any more."""
import hashlib
import json
import os
import shutil
import struct
import subprocess

import check
import checker
import consoles
from loop import GUESTS, Loop, values

PLAIN_BOOTS = int(os.environ.get("REHEAT_PLAIN_BOOTS", "2"))
# A number: so many rounds. Not set: until the list does not change any more.
ROUNDS = int(os.environ.get("REHEAT_ROUNDS", 0))
# The kernel's own start is the same in each boot; what it works afterwards is what a fleet would profile.
# Without a check of the timer, which fails where the host is busy and has the kernel try others.
WORK = "reheat.rounds=6 no_timer_check"
TABLES = ("pte", "pmd", "pud", "p4d", "pgd")
LAPIC = {"native_apic_mem_write", "native_apic_mem_read"}


class Tree:
    """A build tree of its own, as the first pass left it."""

    def __init__(self, guest, directory):
        self.plain = values(check.run(f"{GUESTS}/linux/build.sh", "--variant", guest.variant))["build"]
        self.path = values(check.run(f"{GUESTS}/linux/build.sh", "--variant", guest.variant, "--copy-to", directory))["build"]
        self.vmlinux = f"{self.path}/vmlinux"
        self.kernel = f"{self.path}/arch/x86/boot/bzImage"

        # What is newer than the configuration was generated.
        self.names = sorted(check.run("find", self.path, "-type", "f", "!", "-newer", f"{self.path}/.config",
                                      "(", "-name", "*.[chS]", "-o", "-name", "Makefile*", "-o", "-name", "Kconfig*", ")").split())

    def sources(self):
        """Hash of all source files."""
        digest = hashlib.sha256()
        for name in self.names:
            digest.update(name.encode())
            with open(name, "rb") as file:
                digest.update(file.read())
        return digest.hexdigest()

    def second_pass(self, loop, body, *options):
        """The report of `reheat make`."""
        report = f"{loop.directory}/report.jsonl"
        if os.path.exists(report):
            os.unlink(report)
        done = subprocess.run([loop.guest.reheat, "make", "--annotations", body, "--directory", self.path, "--report", report, "--json", *options,
                               "--", f"-j{os.cpu_count()}"], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"reheat make: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        noise = [line for line in (done.stdout + done.stderr).splitlines() if "warning" in line.lower() or "orphan section" in line]
        return json.loads(done.stdout[done.stdout.index("{"):]), report, noise


def boot(loop, name, *options, extra=()):
    # Room for all that a boot records: this is about sums, and the machine may be busy with the rest of the tests.
    status, result, errors = loop.end(loop.begin("--ring-records", str(1 << 22), *options, append=WORK, extra=extra))
    if not check.equal(f"{name}: boot", status, 0):
        raise RuntimeError(errors[-2000:])
    return result


def pull(loop, name):
    path = f"{loop.directory}/{name}"
    loop.reheat("annotations", "pull", "--wait", "--series", "test", "-o", path)
    return path


def read(path):
    with open(path) as file:
        return file.read()


def rounds(guest, loop, tree):
    plain = []
    for number in range(PLAIN_BOOTS):
        boot(loop, f"plain {number + 1}")
        plain.append((consoles.transcript(loop.console), consoles.shapes(loop.console)))
    check.equal("plain boots: one transcript", [transcript for transcript, _ in plain if transcript != plain[0][0]], [])
    spread = set.union(*(shapes for _, shapes in plain))
    before, body = tree.sources(), pull(loop, "list-0")
    lists = [read(body)]

    first_kernel, seen = (guest.vmlinux, guest.kernel), {}
    try:
        for number in range(1, (ROUNDS or 3) + 1):
            made, report, noise = tree.second_pass(loop, body)
            check.equal(f"round {number}: warnings of the second pass", noise, [])
            if number == 1:
                count, records, faults = checker.check(tree.plain, tree.path)
                check.ok(f"nothing differs but annotations, in {count} objects with {records} records", count > 5 and not faults, faults[:5])
            guest.vmlinux, guest.kernel = tree.vmlinux, tree.kernel
            loop.reheat("builds", "add", "--series", "test", "--report", report, tree.vmlinux)
            result = boot(loop, f"round {number}")
            check.equal(f"round {number}: the transcript is that of the plain kernel", consoles.transcript(loop.console), plain[0][0])
            strange = consoles.shapes(loop.console) - spread
            check.equal(f"round {number}: no console line that the plain kernel does not print", sorted(strange)[:10], [])
            coverage = json.loads(loop.reheat("coverage", "--series", "test", "--json"))
            check.ok(f"round {number}: coverage at least 99.5%", (coverage["coverage"] or 0) >= 0.995, coverage["coverage"])
            # The same list gives the same image, which is the same build: its boots add up.
            sums = seen.setdefault(result["build"], [0, 0])
            sums[0] += result["hits_recorded"]
            sums[1] += result["traps_recorded"]
            check.equal(f"round {number}: hits and traps add up to what the wedge saw", [coverage["hits"], coverage["traps"]], sums)
            print(f"      round {number}: {coverage['hits']} hits, {coverage['traps']} traps, coverage {coverage['coverage']:.4%}")
            body = pull(loop, f"list-{number}")
            lists.append(read(body))
            if lists[-1] != lists[-2]:
                continue
            residual = json.loads(loop.reheat("sites", "--series", "test", "--json", "-n", "10000"))["sites"]
            silent = [site for site in residual if site["traps"] and not site["state"].startswith(("refused:", "lost"))]
            check.equal(f"round {number}: every residual site has its reason", silent[:3], [])
            if not ROUNDS:
                break
    finally:
        guest.vmlinux, guest.kernel = first_kernel
    check.equal("no source file is touched", tree.sources(), before)
    check.ok(f"{number} rounds: the last gives the same list as the one before, byte for byte", lists[-1] == lists[-2], "differs")
    fixpoint = next((n for n in range(1, number + 1) if lists[n] == lists[n - 1]), None)
    check.ok("the fixpoint is reached in two rounds", fixpoint in (1, 2), fixpoint)
    rows = {line.split("|")[0] for line in loop.sql("SELECT function, hits FROM reheat.sites WHERE hits > 0 AND target = 'lapic'").splitlines()}
    check.ok("the local APIC's accessors are covered", LAPIC <= rows, rows)
    return body, plain[0][0]


def selftest(guest, loop, tree, body, plain):
    """The kernel proves that its sites can be rewritten: each does its access in a thunk that counts."""
    tree.second_pass(loop, body, "--policy", "selftest")
    counters, executed = f"{loop.directory}/counters", f"{loop.directory}/executions"
    plugin = f"{loop.directory}/libexecutions.so"
    check.run("gcc", "-O2", "-shared", "-fPIC", "-I", check.SOURCE, "-o", plugin, os.path.join(os.path.dirname(__file__), "executions.c"))
    with open(f"{executed}.sites", "w") as file:
        file.writelines(f"{start:x}\n" for start in counted(tree.vmlinux, loop.directory))
    first_kernel = guest.vmlinux, guest.kernel
    try:
        guest.vmlinux, guest.kernel = tree.vmlinux, tree.kernel
        result = boot(loop, "selftest", "--selftest", counters, extra=["-plugin", f"{plugin},sites={executed}.sites,out={executed}"])
    finally:
        guest.vmlinux, guest.kernel = first_kernel
    check.equal("selftest: the transcript is that of the plain kernel", consoles.transcript(loop.console), plain)
    own = {int(site["site"], 16): site["executions"] for site in json.loads(read(counters))}
    # Text that is off the screen is in RAM: an instruction that writes both counts both, and the wedge sees devices alone. Hence a second counter.
    ran = {int(site, 16): int(count) for site, count in (line.split() for line in read(executed).splitlines())}
    check.equal("selftest: the kernel's own counters are the executions that a second plugin counted, at every site", own, ran)
    rows = json.loads(loop.reheat("sites", "--all", "--json", "-n", "10000"))["sites"]
    hits = {}
    for row in rows:
        # A string move is seen twice, as load and as store.
        place = hits.setdefault(int(row["address"], 16), {"function": row["function"], "instruction": row["instruction"], "targets": set(), "hits": {}})
        place["targets"].add(row["target"])
        place["hits"][row["operation"]] = place["hits"].get(row["operation"], 0) + row["hits"]
    seen = {address: max(place["hits"].values()) for address, place in hits.items() if max(place["hits"].values()) > 0}
    check.ok("selftest: a real number of sites", len(seen) > 300, len(seen))
    check.equal("selftest: every site that the wedge saw counts itself", sorted(set(seen) - set(own)), [])
    # A table that no processor has loaded yet is no table.
    less = {hex(a): (own[a], n, hits[a]["function"]) for a, n in seen.items() if a in own and own[a] < n}
    check.equal("selftest: no counter is below the wedge's count", less, {})
    other = {hex(a): (own[a], n, hits[a]["function"], sorted(hits[a]["targets"])) for a, n in seen.items() if a in own and own[a] != n}
    device = {a: d for a, d in other.items() if not {"vga", *TABLES} & {*d[3]}}
    print(f"      selftest: {len(own)} counters equal the executions; {len(seen) - len(other)} of {len(seen)} sites equal the wedge's hits; more than the wedge saw (RAM as well): "
          + ", ".join(sorted({d[2] for d in other.values()})))
    check.equal("selftest: the kernel's own counters equal the wedge's hits, site by site", device, {})
    return result


def counted(vmlinux, directory):
    """Starts of the sites that count themselves, by the image's records."""
    raw = f"{directory}/selftest.bin"
    check.run("objcopy", "-O", "binary", "-j", ".afterburn_selftest", "--set-section-flags", ".afterburn_selftest=alloc", vmlinux, raw)
    with open(raw, "rb") as file:
        return sorted({start for start, _ in struct.iter_unpack("<QQ", file.read())})


def all(guest):
    with Loop(guest) as loop:
        directory = os.path.join(loop.directory, "linux")
        try:
            tree = Tree(guest, directory)
            body, plain = rounds(guest, loop, tree)
            with Loop(guest) as fresh:
                selftest(guest, fresh, tree, body, plain)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
