"""A guest with annotation records, small enough that every execution is known: its hits in the database, as a user gets them there."""
import json
import os
import tempfile

import check
import guests
import hits
from loop import Loop

SYMBOLS = {"plain_start": "lapic", "other": "lapic", "read_start": "hpet", "swap_start": "hpet", "fill_start": "vga", "spill": "vga", "moved_start": "hpet"}


class BareGuest:
    """What Loop wants of a guest."""

    def __init__(self, reheat, out):
        self.reheat = reheat
        objects = os.path.join(out, "hits32.o")
        self.vmlinux = os.path.join(out, "hits32")
        sources = os.path.join(check.ROOT, "tests/wedge/guests")
        check.run("gcc", "-m32", "-c", "-Wa,-I" + sources, "-o", objects, os.path.join(sources, "hits32.S"))
        check.run("ld", "-m", "elf_i386", "--build-id=sha1", "-T", os.path.join(check.ROOT, "tests/guest/hits.lds"), "-o", self.vmlinux, objects)

    def qemu(self):
        return ["qemu-system-i386", "-machine", "pc", "-accel", "tcg", "-nodefaults", "-no-reboot", "-display", "none", "-kernel", self.vmlinux, *guests.EXIT]


def all(linux):
    with tempfile.TemporaryDirectory(prefix="reheat-hits-") as out, Loop(BareGuest(linux.reheat, out)) as loop:
        status, result, errors = loop.end(loop.begin())
        if not check.ok("hits: a guest that ends by itself", status == 8 and result["qemu_exit_code"] == 0x21, (status, result, errors)):
            return
        at = hits.symbols(loop.guest.vmlinux)
        wanted = sorted((at[symbol], operation, SYMBOLS[symbol], int(traps), int(got), int(elements))
                        for symbol, operation, _, _, traps, got, elements in guests.expectations("hits32", "site"))
        traps, hit = (sum(row[i] for row in wanted) for i in (3, 4))
        check.equal("hits: recorded = stored", [result[name] for name in ("hits_recorded", "hits_stored", "hits_dropped", "traps_recorded", "traps_stored", "annotated")],
                    [hit, hit, 0, traps, traps, len(hits.SITES)])
        rows = [line.split("|") for line in loop.sql("SELECT address, operation, target, traps, hits, elements FROM reheat.sites").splitlines()]
        check.equal("hits: each site's traps, hits and elements", sorted((int(r[0]), r[1], r[2], *map(int, r[3:])) for r in rows), wanted)
        check.equal("hits: the build knows its sites", loop.sql("SELECT count(*) FROM reheat.annotated_sites WHERE hits = 5 AND traps = 0"), str(len(hits.SITES)))
        check.equal("hits: the account", loop.sql("SELECT recorded, stored, dropped, pending, hits_recorded, hits_stored, hits_dropped, hits_pending FROM reheat.accounting"),
                    f"{traps}|{traps}|0|0|{hit}|{hit}|0|0")
        loop.reheat("annotations", "pull", "--wait", "-o", f"{loop.directory}/list")
        # The moved site's line is that of its access, not of the jump that stands in its place.
        lines = [line.split(" | ")[1] for line in open(f"{loop.directory}/list").read().splitlines() if " | " in line]
        check.equal("hits: the list has the instructions that make the accesses", sorted(lines), sorted([
            "movl %eax,0x80(%esi)", "movl %eax,0x80(%esi)", "movl 0x10(%ebx),%eax", "xchgl %eax,0x108(%ebx)", "rep stosl %eax,(%edi)",
            "rep stosl %eax,(%edi)", "movl %eax,0x108(%ebx)"]))
        coverage = json.loads(loop.reheat("coverage", "--json"))
        check.equal("hits: coverage", (coverage["hits"], coverage["traps"], round(coverage["coverage"], 6)), (hit, traps, round(hit / (hit + traps), 6)))
        sites = json.loads(loop.reheat("sites", "--json"))["sites"]
        check.ok("hits: every residual site has its reason", len(sites) == 2 and all_reasoned(sites), sites)


def all_reasoned(sites):
    return not any(site["reason"] != "listed, not yet in this build" for site in sites)
