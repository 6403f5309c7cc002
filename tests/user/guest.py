"""Programs for the user-mode wedge, and runs of them."""
import os
import re
import shutil
import subprocess

import check
import session

DRIVERS = os.path.join(check.ROOT, "deploy/guests/drivers")
REPORT = re.compile(r"0x([0-9a-f]+)-0x([0-9a-f]+) (\S+) (?:rewritten: (\d+) hits|refused: (.*))")
SECONDS = 120


class Run:
    """One run under the wedge: what it printed, what it recorded, what became of its sites."""

    def __init__(self, context, program, *options, name="session", wedge=None):
        self.session = session.Session(context.build, context.path(name))
        shutil.rmtree(self.session.directory, ignore_errors=True)
        report = context.path(name + ".report")
        done = subprocess.run([wedge or context.wedge, "--session", self.session.directory, "--report", report, *options, program],
                              capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
        self.code, self.output, self.errors = done.returncode, done.stdout, done.stderr.decode(errors="replace")
        self.sites, self.refused = {}, {}   # address → hits, or → reason
        for line in open(report) if os.path.exists(report) else []:
            start, _, _, hits, reason = REPORT.fullmatch(line.strip()).groups()
            if reason is None:
                self.sites[int(start, 16)] = int(hits)
            else:
                self.refused[int(start, 16)] = reason
        self.records = list(self.session.records()) if os.path.exists(self.session.directory) else []
        self.counters = self.session.counters() if os.path.exists(self.session.directory) else {}


def drivers(context, name, *make):
    """A copy of the drivers, built."""
    directory = context.path(name)
    shutil.copytree(DRIVERS, directory, ignore=shutil.ignore_patterns("*.o", "process", "pc", "pc.kernel"))
    check.run("make", "-s", "-C", directory, *make)
    return directory


def assemble(context, name, text, *link):
    """A guest of one assembly file; its path."""
    source, path = context.path(name + ".S"), context.path(name)
    with open(source, "w") as file:
        file.write(text)
    check.run("gcc", "-nostdlib", "-static", "-no-pie", "-Wl,-Ttext-segment=0x100000", "-Wl,-e,start", "-Wl,-z,noexecstack", "-o", path, source, *link)
    return path


# Ends a guest with a code.
END = """
	.macro end code
	mov $0xfe001000, %edi
	movl $\\code, (%rdi)
	.endm
"""
