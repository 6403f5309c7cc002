"""Counts of checks, and the tools that they need."""
import os
import shutil
import signal
import subprocess
import sys
import time

# A shell's background jobs ignore Ctrl-C, and so would every program that is started here; some are there to be interrupted.
signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW = 5

passed = failed = skipped = 0
last = time.monotonic()


def ok(name, condition, detail=""):
    global passed, failed, last
    took, last = time.monotonic() - last, time.monotonic()
    after = f"  (after {took:.0f} s)" if took >= SLOW else ""
    if condition:
        passed += 1
        print(f"ok    {name}{after}")
    else:
        failed += 1
        print(f"FAIL  {name}  {detail}{after}")
    sys.stdout.flush()
    return bool(condition)


def equal(name, got, wanted):
    return ok(name, got == wanted, f"got {got}, expected {wanted}")


def need(tool):
    """A missing tool is a failure that names it, never a skip."""
    path = shutil.which(tool)
    if not path:
        ok(f"tool {tool}", False, "not installed")
    return path


def run(*command, **options):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def finish():
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed else 0)


HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SOURCE = os.path.join(ROOT, "services/wedges/qemu")
