"""The other ways in which a run ends: a time limit, Ctrl-C, QEMU's own failure. Nothing recorded is lost."""
import signal
import time

import check
from loop import Loop


def all(guest):
    with Loop(guest) as loop:
        status, result, errors = loop.end(loop.begin("--time-limit", "4"))
        if check.equal("time limit: exit", status, 0):
            check.equal("time limit: said", result["ended"], "timelimit")
            loop.balanced("time limit", result)
        else:
            print(errors)
    with Loop(guest) as loop:
        run = loop.begin()
        time.sleep(4)
        run.send_signal(signal.SIGINT)
        status, result, errors = loop.end(run)
        if check.equal("Ctrl-C: exit", status, 130):
            loop.balanced("Ctrl-C", result)
        else:
            print(errors)
    with Loop(guest) as loop:
        status, _, errors = loop.end(loop.begin(processors="none"))
        check.equal("QEMU refuses its command line: exit", status, 8)
        status, _, errors = loop.end(loop.begin("--session", loop.directory + "/none", append="init=/nonexistent"))
        check.equal("the guest panics: QEMU ends, and so does the run", status, 0)
        kvm = check.subprocess.run(
            loop.command("guest", "run", "--image", guest.vmlinux) + ["--", "-enable-kvm"], capture_output=True, text=True)
        check.ok("an accelerator without a wedge is refused", kvm.returncode == 2 and "-accel tcg" in kvm.stderr, kvm.stderr)
