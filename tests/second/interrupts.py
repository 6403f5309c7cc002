"""Second passes that are killed at any moment: the next one ends as one that was never disturbed."""
import os
import random
import signal
import subprocess
import time

import check
from project import Project, digest

KILLS = int(os.environ.get("REHEAT_MAKE_KILLS", "12"))


def all(context):
    anywhere(context)
    between(context)
    background(context)


def anywhere(context):
    project = Project(context.new("interrupted"), context.prefix)
    project.make("-j2")
    plain = project.hashes()
    units = project.sites()
    whole, half = project.list(units), project.list({u: f for u, f in units.items() if u < "part5.c"}, "half")
    begun = time.monotonic()
    project.second(whole)
    seconds = time.monotonic() - begun
    clean = {"whole": project.hashes()}
    project.second(half)
    clean["half"] = project.hashes()
    rng = random.Random(20240611)
    for number in range(KILLS):
        path, name = ((whole, "whole"), (half, "half"))[number % 2]
        how = ("reheat alone", "all", "make alone", "Ctrl-C", "SIGTERM")[number % 5]
        moment = rng.uniform(0, seconds * 1.1)
        process = subprocess.Popen(project.command(path), cwd=project.directory, env=project.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(moment)
        if how == "reheat alone":
            process.kill()
        elif how == "SIGTERM":
            process.terminate()
        elif how == "make alone":
            for child in children(process.pid):
                os.kill(child, signal.SIGKILL)
        else:
            try:
                os.killpg(process.pid, signal.SIGKILL if how == "all" else signal.SIGINT)
            except ProcessLookupError:
                pass
        process.wait(60)
        between = rng.choice(["nothing", "a plain make", "another list"])
        if between == "a plain make" and how != "reheat alone":
            project.make("-j2")
        elif between == "another list":
            project.second(half if path == whole else whole)
        code, result, errors = project.second(path)
        got = project.hashes()
        wrong = sorted(n for n in clean[name].keys() | got.keys() if clean[name].get(n) != got.get(n))
        check.ok(f"killed {how} after {moment:.2f} s, then {between}: the next pass is as clean", code == 0 and not wrong, f"exit {code}, different: {wrong} {errors[-300:]}")
    project.second(project.list({}, "none"))
    check.equal("and back to plain", project.hashes(), plain)


def children(process):
    found = []
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{int(name)}/stat") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == process:
                    found.append(int(name))
        except (ValueError, OSError):
            pass    # no process, or gone
    return found


class Steps(Project):
    """Objects that a second command of their rule completes, as objtool does in a kernel, and one that no rule makes."""

    def __init__(self, context, name):
        super().__init__(context.new(name), context.prefix)
        with open(self.path("Makefile"), "a") as makefile:
            makefile.write("%.o: %.c\n\t$(CC) $(CFLAGS) -c -o $@ $<\n\t@if [ -e slow ]; then touch reached; for i in `seq 600`; do [ ! -e slow ] || sleep 0.1; done; fi\n"
                           "\tobjcopy --add-section .done=Makefile $@\nprog: vendor.o\n")
        self.write("vendor.c", "void poke(volatile unsigned *regs) { regs[3] = 1; }\n")
        check.run("gcc", "-O2", "-g", "-c", "vendor.c", "-o", "vendor.o", cwd=self.directory)
        os.unlink(self.path("vendor.c"))
        self.make("-j2")
        self.vendor = digest(self.path("vendor.o"))
        self.annotations = self.list({**self.sites(), "vendor.c": {"poke": ["0 write:4:lapic"]}})

    def begin(self):
        """A pass that has come to the slow step of a rule, and stays there."""
        self.write("slow", "")
        if os.path.exists(self.path("reached")):
            os.unlink(self.path("reached"))
        process = subprocess.Popen(self.command(self.annotations), cwd=self.directory, env=self.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + 60
        while not os.path.exists(self.path("reached")) and time.monotonic() < end:
            time.sleep(0.02)
        return process

    def proceed(self):
        os.unlink(self.path("slow"))

    def undone(self):
        return [n for n in self.objects() if n != "vendor.o" and ".done" not in check.run("readelf", "-SW", self.path(n))]


def between(context):
    """Killed between the compiler and what the rule does then: the object looks whole, and is not."""
    project = Steps(context, "between the steps")
    process = project.begin()
    for child in children(process.pid):
        os.kill(child, signal.SIGKILL)
    code = process.wait(60)
    project.proceed()
    check.ok("make alone is killed between two steps of a rule", code == 137 and project.undone(), f"exit {code}, {project.undone()}")
    code, result, errors = project.second(project.annotations)
    check.ok("the next pass takes both steps for every object", code == 0 and not project.undone() and result["annotated"] == result["listed"] - 1,
             f"exit {code}, undone: {project.undone()} {errors[-300:]}")

    project.second(project.list({}, "none"))
    process = project.begin()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
    project.proceed()
    project.write(".reheat/objects.json", "noise")
    code, result, errors = project.second(project.annotations)
    check.ok("a crash, and a state that cannot be read: what no rule makes is still there", code == 0 and digest(project.path("vendor.o")) == project.vendor, f"exit {code}: {errors[-300:]}")
    check.ok("and all others are annotated", result and result["annotated"] == result["listed"] - 1 and not project.undone(), result)


def background(context):
    """A pass waits for another, but not for ever, and not for what a recipe left in the background."""
    project = Steps(context, "in the background")
    process = project.begin()
    code, _, errors = project.second(project.annotations, "--wait", "0")
    check.ok("another pass goes on: exit code 16, and who", code == 16 and f"({process.pid})" in errors, f"exit {code}: {errors[-300:]}")
    process.kill()
    process.wait(60)
    code, _, errors = project.second(project.annotations, "--wait", "0")
    check.ok("a build that it left goes on: exit code 16, and who", code == 16 and "make (" in errors, f"exit {code}: {errors[-300:]}")
    project.proceed()
    code, result, errors = project.second(project.annotations)
    check.ok("waiting for it is enough", code == 0 and result["annotated"] == result["listed"] - 1, f"exit {code}: {errors[-300:]}")
    with open(project.path("Makefile"), "a") as makefile:
        makefile.write("main.o: daemon\n.PHONY: daemon\ndaemon:\n\t@[ -e daemon.pid ] || { sleep 600 >/dev/null 2>&1 & echo $$! >daemon.pid; }\n")
    none, left = project.list({}, "none"), None
    try:
        code, _, errors = project.second(none)
        left = int(open(project.path("daemon.pid")).read())
        check.ok("a recipe leaves a program in the background", code == 0 and os.path.exists(f"/proc/{left}"), f"exit {code}: {errors[-300:]}")
        code, result, errors = project.second(project.annotations, "--wait", "1")
        check.ok("the next pass names it, and goes on", code == 0 and f"sleep ({left})" in errors and result["annotated"] > 0, f"exit {code}: {errors[-300:]}")
    finally:
        if left:
            os.kill(left, signal.SIGKILL)
