"""Second passes that are killed at any moment: the next one ends as one that was never disturbed."""
import os
import random
import signal
import subprocess
import time

import check
from project import Project

KILLS = int(os.environ.get("REHEAT_MAKE_KILLS", "12"))


def all(context):
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
        how = ("reheat alone", "all", "Ctrl-C", "all", "SIGTERM")[number % 5]
        moment = rng.uniform(0, seconds * 1.1)
        process = subprocess.Popen(project.command(path), cwd=project.directory, env=project.environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(moment)
        if how == "reheat alone":
            process.kill()
        elif how == "SIGTERM":
            process.terminate()
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
