"""One boot: every trap is in PostgreSQL, under the names that a kernel engineer expects."""
import json

import check
from loop import Loop

EXPECTED = [("native_apic_mem_write", "write", "lapic"), ("native_apic_mem_read", "read", "lapic"),
            ("native_io_apic_read", "read", "ioapic"), ("read_hpet", "read", "hpet"),
            ("e1000_set_rx_mode", "write", "e1000"), ("vt_console_print", "write", "vga")]
# Page tables: what faults and maps, what forks, protects and moves, what unmaps, and what takes an address space apart (exec, exit).
EXPECTED += [("__handle_mm_fault", "pt-write", "pte"), ("do_set_pte", "pt-write", "pte"), ("pmd_install", "pt-write", "pmd"), ("__pud_alloc", "pt-write", "pgd"),
             ("copy_page_range", "pt-exchange", "pte"), ("change_protection_range", "pt-exchange", "pte"), ("ptep_clear_flush", "pt-exchange", "pte"),
             ("unmap_page_range", "pt-exchange", "pte"), ("free_pgd_range", "pt-write", "pmd"), ("free_pgd_range", "pt-write", "pgd")]


def all(guest):
    with Loop(guest) as loop:
        status, result, errors = loop.end(loop.begin())
        if not check.equal("boot: exit", status, 0):
            print(errors)
            return
        transcript = loop.transcript()
        check.equal("boot: the guest's last word", transcript[-1:], ["reheat: done"])
        check.ok("boot: the guest found no fault", not any("FAIL" in line for line in transcript), transcript)
        stored = loop.balanced("boot", result)
        check.ok("boot: a real number of traps", stored > 10_000, stored)
        check.ok("boot: firmware is counted apart", result["outside_images"] > 0, result)
        loop.reheat("annotations", "pull", "--wait", "-o", f"{loop.directory}/list")
        rows = {(function, operation, target) for function, operation, target in
                (line.split("|") for line in loop.sql("SELECT DISTINCT function, operation, target FROM reheat.sites").splitlines())}
        for expected in EXPECTED:
            check.ok("boot: {1} of {2} by {0}".format(*expected), expected in rows,
                     sorted(row for row in rows if row[1:] == expected[1:]))
        odd = [row for row in rows if row[2] in ("unknown", "ambiguous", "ram")]
        check.equal("boot: every target has a name", odd, [])
        check.equal("boot: no site waits for a verdict", loop.sql("SELECT count(*) FROM reheat.sites WHERE state = 'pending'"), "0")
        sites = json.loads(loop.reheat("sites", "--json", "-n", "10000"))
        check.equal("boot: the table adds up", sum(site["traps"] for site in sites["sites"]), stored)
        coverage = json.loads(loop.reheat("coverage", "--json"))
        check.equal("boot: coverage before any annotation", (coverage["traps"], coverage["hits"], coverage["coverage"]), (stored, 0, 0))
