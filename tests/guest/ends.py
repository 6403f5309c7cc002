"""The other ways in which a run ends: a time limit, Ctrl-C, QEMU's own failure. Nothing recorded is lost."""
import fcntl
import glob
import os
import pty
import select
import signal
import subprocess
import termios
import time

import check
from loop import Loop


def terminal(loop):
    """A run that has a terminal, and whose user presses Ctrl-C: the signal goes to QEMU as well. (exit code, what the terminal showed)"""
    run, its_end = pty.openpty()
    process = subprocess.Popen(
        loop.command("guest", "run", "--image", loop.guest.vmlinux, "--series", "test") + ["--", *loop.guest.qemu()],
        stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(its_end)
    shown, pressed, deadline = b"", False, time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([run], [], [], 0.2)[0]:
            try:
                shown += os.read(run, 65536)
            except OSError:
                break   # the last one who had it has ended
        if not pressed and b"Linux version" in shown:
            time.sleep(2)
            os.write(run, b"\x03")
            pressed = True
    os.close(run)
    return process.wait(60), shown.decode(errors="replace")


def all(guest):
    with Loop(guest) as loop:
        status, result, errors = loop.end(loop.begin("--time-limit", "4"))
        if check.equal("time limit: exit", status, 0):
            check.equal("time limit: said", result["ended"], "time_limit")
            loop.balanced("time limit", result)
        else:
            print(errors)
    with Loop(guest) as loop:
        session = os.path.join(loop.directory, "session")
        run = loop.begin("--session", session)
        loop.recording(session)
        time.sleep(3)
        run.send_signal(signal.SIGINT)
        status, result, errors = loop.end(run)
        if check.equal("Ctrl-C: exit", status, 130):
            loop.balanced("Ctrl-C", result)
        else:
            print(errors)
    with Loop(guest) as loop:
        session = os.path.join(loop.directory, "session")
        run = loop.begin("--session", session)
        loop.recording(session)
        check.ok("QEMU dies: the kernel runs by then", loop.boots(), loop.console)
        time.sleep(1)
        check.run("pkill", "-SEGV", "-P", str(run.pid), "qemu-system")
        status, result, errors = loop.end(run)
        if check.equal("QEMU dies: exit", status, 8):
            check.ok("QEMU dies: said, with what to do", "QEMU died of SIGSEGV" in errors and "thread=single" in errors, errors)
            pending = result["traps_recorded"] - result["traps_stored"] - result["traps_dropped"]
            check.ok("QEMU dies: what the rings held is counted, but for a trap a processor that it had begun to record",
                     result["traps_stored"] > 0 and 0 <= pending <= 2, result)
        else:
            print(errors)
    with Loop(guest) as loop:
        status, shown = terminal(loop)
        check.ok("Ctrl-C at a terminal: exit", status == 130, (status, shown[-2000:]))
        check.ok("Ctrl-C at a terminal: lines wrap again", "\x1b[?7h" in shown, shown[-500:])
    with Loop(guest) as loop:
        status, _, errors = loop.end(loop.begin(processors="none"))
        check.equal("QEMU refuses its command line: exit", status, 8)
        check.ok("QEMU refuses its command line: nothing is left behind", not glob.glob(f"{loop.temporary}/reheat-??????"), glob.glob(f"{loop.temporary}/*"))
        status, _, errors = loop.end(loop.begin("--session", loop.directory + "/none", append="init=/nonexistent"))
        check.equal("the guest panics: QEMU ends, and so does the run", status, 0)
        check.ok("the next command is told, with the build's number", "annotations pull --build 1 " in errors, errors)
        check.ok("an orderly end is quiet", "monitor" not in errors, errors)
        status, _, errors = loop.end(loop.begin("--session", loop.directory + "/none"))
        check.ok("a session directory that exists is refused", status == 2 and "exists" in errors, errors)
        status, result, errors = loop.end(loop.begin("--time-limit", "4", bias="0x1e000000"))
        check.ok("a kernel that is not where its image says is told", status == 6 and "nokaslr" in errors and "@BIAS" in errors, (status, errors))
        kvm = check.subprocess.run(
            loop.command("guest", "run", "--image", guest.vmlinux) + ["--", "-enable-kvm"], capture_output=True, text=True)
        check.ok("an accelerator without a wedge is refused", kvm.returncode == 2 and "-accel tcg" in kvm.stderr, kvm.stderr)
