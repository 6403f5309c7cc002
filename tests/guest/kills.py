"""kill -9 of the collector in the middle of a boot, and of the program that holds the agent: no total changes."""
import json
import os
import random
import signal
import subprocess
import time

import check
from loop import Loop

KILLS = 3


def collector(guest):
    dice = random.Random(20260)
    with Loop(guest) as loop:
        session = os.path.join(loop.directory, "session")
        run = loop.begin("--session", session)
        loop.recording(session)
        for _ in range(KILLS):
            time.sleep(1 + dice.random())
            loop.kill()
            time.sleep(dice.random())
            loop.start()
        status, result, errors = loop.end(run)
        if check.equal("collector killed: the run ends well", status, 0):
            loop.balanced(f"collector killed {KILLS} times", result)
        else:
            print(errors)


def agent(guest):
    """The guest goes on without its agent; a new one takes the rings up where they are."""
    with Loop(guest) as loop:
        session = os.path.join(loop.directory, "session")
        run = loop.begin("--session", session)
        loop.recording(session)
        time.sleep(1)
        children = check.run("pgrep", "-P", str(run.pid)).split()
        run.kill()
        run.wait()   # its pipes stay open: QEMU has them too
        # QEMU has lost its parent, not its rings.
        qemu = int(children[0])
        command = loop.command("agent", "--session", session, "--wedge", f"{os.uname().nodename}/test", "--image", guest.vmlinux, "--json")
        for _ in range(KILLS):
            streaming = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(0.7)
            streaming.kill()
            streaming.communicate()
        os.kill(qemu, signal.SIGTERM)   # nobody else ends it: the guest's power-off only pauses it
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if check.equal("agent killed: a new one delivers the rest", done.returncode, 0):
            loop.balanced(f"agent killed {KILLS + 1} times", json.loads(done.stdout))
        else:
            print(done.stderr)


def all(guest):
    collector(guest)
    agent(guest)
