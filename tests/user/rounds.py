"""The whole loop with nothing simulated: the drivers run as a process, everything traps, the list comes of it, the drivers are built again
from it, and nothing traps any more."""
import json
import os
import signal
import subprocess
import time

import check
from guest import Run, drivers
from loop import Loop

SERIES = ("--series", "drivers")


class Here:
    """What Loop wants of a guest."""

    def __init__(self, context):
        self.reheat = context.reheat


def agent(loop, run, program, wedge="test/user"):
    return json.loads(loop.reheat("agent", "--session", run.session.directory, "--wedge", wedge, "--image", program, "--json"))


def pull(loop, name):
    path = os.path.join(loop.directory, name)
    loop.reheat("annotations", "pull", "--wait", *SERIES, "-o", path)
    return path


def second_pass(loop, directory, body):
    out = check.run(loop.guest.reheat, "make", "--annotations", body, "--directory", directory, "--json", "--", "-s")
    return json.loads(out[out.index("{"):])


def counted(loop, column):
    """What each site did, named as it is in every build."""
    rows = loop.sql(f"SELECT unit, function, instruction, operation, target, size, sum({column}), count(*) FROM reheat.sites "
                    f"WHERE {column} > 0 GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6").splitlines()
    return [row.split("|") for row in rows]


def first(context, loop, directory, program):
    run = Run(context, program)
    check.equal("first pass: the guest does its work", (run.code, b"guest: failures 0\nguest: done\n" in run.output), (0, True))
    check.ok("first pass: everything traps", run.counters["counted"] > 1000 and run.counters["hits-counted"] == 0 and not run.sites, run.counters)
    check.equal("first pass: nothing is lost", (run.counters["dropped"], run.counters["open"]), (0, 0))
    loop.reheat("builds", "add", *SERIES, program)
    told = agent(loop, run, program)
    check.equal("first pass: recorded = stored", (told["traps_stored"], told["traps_dropped"]), (run.counters["counted"], 0))
    return run


def second(context, loop, program, before, traps):
    run = Run(context, program, name="second")
    check.equal("second pass: the guest's output is the same", (run.code, run.output), (before.code, before.output))
    check.equal("second pass: every record's site is rewritten", run.refused, {})
    check.equal("second pass: nothing traps", run.counters["counted"], 0)
    check.equal("second pass: what trapped is hit, as often", (run.counters["hits-counted"], run.counters["dropped-hits"], sum(run.sites.values())),
                (before.counters["counted"], 0, before.counters["counted"]))
    told = agent(loop, run, program)
    check.equal("second pass: recorded = stored", told["hits_recorded"], run.counters["hits-counted"])
    body = pull(loop, "again")      # and so they are resolved
    check.equal("second pass: each site's hits are its traps of the first", counted(loop, "hits"), traps)
    check.equal("second pass: the account", loop.sql("SELECT sum(hits_recorded), sum(hits_stored), sum(hits_dropped), sum(hits_pending), sum(pending) FROM reheat.accounting"),
                f"{told['hits_recorded']}|{told['hits_recorded']}|0|0|0")
    coverage = json.loads(loop.reheat("coverage", *SERIES, "--json", "--fail-under", "100"))
    check.equal("second pass: coverage", (coverage["coverage"], coverage["hits_without_record"]), (1, 0))
    return body


def partly(context, loop, directory, before, body):
    """A list of some of the sites: the others trap as before."""
    kept, unit = [], ""
    with open(body) as lines:
        for line in lines:
            unit = line if line.startswith("unit ") else unit
            if "hpet.c" in unit or not unit or line.startswith("end"):
                kept.append(line)
    sites = sum(" | " in line for line in kept)
    some = os.path.join(loop.directory, "some")
    with open(some, "w") as out:
        out.writelines(f"end {sites}\n" if line.startswith("end") else line for line in kept)
    made = second_pass(loop, directory, some)
    check.equal("some sites: annotated", (made["annotated"], made["lost"], made["refused"]), (sites, 0, 0))
    run = Run(context, os.path.join(directory, "process"), name="partly")
    check.equal("some sites: the same output", run.output, before.output)
    hpet = sum(r.elements for r in run.records if r.hit)
    check.ok("some sites: they are hit, the others trap", hpet > 0 and run.counters["counted"] + run.counters["hits-counted"] == before.counters["counted"], run.counters)
    off = Run(context, os.path.join(directory, "process"), "--no-rewrite", name="partly")
    check.equal("--no-rewrite: everything traps", (off.output, off.counters["counted"], off.counters["hits-counted"]), (before.output, before.counters["counted"], 0))
    small = Run(context, os.path.join(directory, "process"), "--ring-records", "64", name="small")
    check.equal("a full ring: traps and hits are all accounted for", [small.counters[a] + small.counters[b] for a, b in (("traps", "dropped"), ("hits", "dropped-hits"))],
                [run.counters["counted"], run.counters["hits-counted"]])
    check.equal("a full ring: and counted", (small.counters["counted"], small.counters["hits-counted"], small.output), (run.counters["counted"], run.counters["hits-counted"], run.output))


def agents(context, loop, program, before):
    """An agent that is killed while the guest runs, and one that comes when it has ended; a ring that is too small for all traps at once."""
    session = context.path("killed")
    guest = subprocess.Popen([context.wedge, "--session", session, "--no-rewrite", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command = loop.command("agent", "--session", session, "--wedge", "test/killed", "--image", program, "--json")
    streaming = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    streaming.kill()
    streaming.wait()
    guest.wait(120)
    told = json.loads(check.run(*command))
    check.equal("an agent that was killed: a new one delivers the rest", (told["traps_recorded"], told["traps_stored"] + told["traps_dropped"]), (before.counters["counted"],) * 2)


def interrupted(context, program):
    """SIGTERM ends a guest that would never end, and its session in order."""
    from guest import END, assemble
    endless = assemble(context, "endless", END + "	.globl start\nstart:	mov $0xfed000f0, %ebx\n1:	mov (%rbx), %eax\n	.nops 3\n2:	mov 4(%rbx), %eax\n	jmp 1b\n"
                       "	.section .afterburn.hpet, \"\", @progbits\n	.quad 1b, 2b\n")
    for number in signal.SIGTERM, signal.SIGINT:
        directory = context.path(f"interrupted-{number}")
        guest = subprocess.Popen([context.wedge, "--session", directory, endless], stderr=subprocess.PIPE, text=True)
        time.sleep(0.5)
        guest.send_signal(number)
        _, errors = guest.communicate(timeout=30)
        counters = check.run(os.path.join(context.build, "ringdump"), directory).splitlines()[-1].split()
        counters = dict(zip(counters[::2], map(int, counters[1::2])))
        check.ok(f"signal {number}: ends in order, with all that was counted", guest.returncode == 128 + number and counters["open"] == 0
                 and 0 <= counters["hits-counted"] - counters["counted"] <= 1 and counters["hits"] + counters["dropped-hits"] == counters["hits-counted"], (guest.returncode, counters, errors))
    # Killed at once: what was pushed until then is whole, and at most the last tenth of a second of hits is missing.
    directory = context.path("gone")
    guest = subprocess.Popen([context.wedge, "--session", directory, endless], stderr=subprocess.DEVNULL)
    time.sleep(1)
    guest.kill()
    guest.wait()
    counters = check.run(os.path.join(context.build, "ringdump"), directory).splitlines()[-1].split()
    counters = dict(zip(counters[::2], map(int, counters[1::2])))
    check.ok("killed: what is in the ring is whole", counters["corrupted"] == 0 and counters["open"] == 1 and counters["hits"] == counters["hits-counted"] > 0
             and counters["traps"] + counters["dropped"] - counters["counted"] in (0, -1), counters)


def all(context):
    directory = drivers(context, "drivers")
    program = os.path.join(directory, "process")
    with Loop(Here(context)) as loop:
        before = first(context, loop, directory, program)
        body = pull(loop, "list")
        traps = counted(loop, "traps")
        refused = loop.sql("SELECT DISTINCT state FROM reheat.sites WHERE state LIKE 'refused%'")
        check.equal("the list has every site that trapped", (refused, open(body).read().splitlines()[-1]), ("", f"end {len({r.ip for r in before.records})}"))
        agents(context, loop, program, before)

        made = second_pass(loop, directory, body)
        sites = len({r.ip for r in before.records})
        check.equal("second pass: all of them are annotated", (made["annotated"], made["lost"], made["refused"], made["listed"]), (sites, 0, 0, sites))
        loop.reheat("builds", "add", *SERIES, program)
        again = second(context, loop, program, before, traps)
        check.equal("the same list comes of it", open(again).read(), open(body).read())
        partly(context, loop, directory, before, body)
    interrupted(context, program)
