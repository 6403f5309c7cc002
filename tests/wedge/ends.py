"""How a session begins and ends."""
import json
import os
import signal
import socket
import struct
import subprocess
import time

import check
import guests
import session

FULL = 64
WELL = 0x10 << 1 | 1   # how isa-debug-exit ends QEMU where a test guest ends


def start(build, out, source, options="", further=(), **popen):
    directory = os.path.join(out, "session")
    arguments = ["-kernel", os.path.join(out, source), *guests.EXIT, *further]
    return session.start(build, directory, guests.X86_64, arguments, guests.INSIDE + options,
                         **popen), session.Session(build, directory)


def wait_for_records(s):
    """The guest "busy32" writes without end."""
    for _ in range(200):
        time.sleep(0.05)
        try:
            if s.counters()["records"] > 0:
                return
        except RuntimeError:
            pass
    raise RuntimeError("no record within 10 s")


def orderly(build, out):
    process, s = start(build, out, "busy32")
    wait_for_records(s)
    check.equal("running: ring open", s.counters()["open"], 1)
    process.send_signal(signal.SIGTERM)
    check.equal("SIGTERM: exit", process.wait(30), 0)
    check.equal("SIGTERM: ring closed", s.counters()["open"], 0)

    path = os.path.join(out, "qmp")
    process, s = start(build, out, "busy32", "", ["-qmp", f"unix:{path},server=on,wait=off", "-smp", "3"])
    wait_for_records(s)
    with socket.socket(socket.AF_UNIX) as qmp:
        qmp.connect(path)
        lines = qmp.makefile("rw")
        lines.readline()
        for command in "qmp_capabilities", "quit":
            lines.write(json.dumps({"execute": command}) + "\n")
            lines.flush()
            lines.readline()
    check.equal("QMP quit: exit", process.wait(30), 0)
    counters = s.counters()
    check.equal("QMP quit: three rings, all closed", (counters["rings"], counters["open"]), (3, 0))
    check.equal("QMP quit: traps = records + dropped", counters["counted"], counters["traps"] + counters["dropped"])

    process, s = start(build, out, "poweroff32")
    check.equal("guest's power-off: exit", process.wait(30), 0)
    check.equal("guest's power-off: ring closed", (s.counters()["open"], s.counters()["traps"]), (0, 1))


def killed(build, out):
    process, s = start(build, out, "busy32", ",capacity=1048576")
    wait_for_records(s)
    process.kill()
    process.wait()
    counters = s.counters()
    check.equal("kill -9: ring open and whole", (counters["open"], counters["corrupted"]), (1, 0))
    check.ok("kill -9: records readable", counters["traps"] > 0)
    check.equal("kill -9: traps = records + dropped, but for the last", counters["counted"] - counters["traps"]
                - counters["dropped"] in (0, 1), True)


def full(build, out):
    process, s = start(build, out, "rep32", f",capacity={FULL}")
    check.equal("full ring: the guest runs on", process.wait(60), 0x21)
    counters = s.counters()
    lines = guests.expectations("rep32", "expect")
    traps, elements = sum(int(line[3]) for line in lines), sum(int(line[4]) for line in lines)
    check.equal("full ring: records", counters["records"], FULL)
    check.equal("full ring: dropped records", counters["dropped-records"], elements - FULL)
    check.equal("full ring: traps counted", counters["counted"], traps)
    check.equal("full ring: traps = recorded + dropped", counters["traps"] + counters["dropped"], traps)


def consumed(build, out):
    """An agent that moves the tail while the guest runs loses nothing."""
    process, s = start(build, out, "rep32", ",capacity=1024", ["-S", "-monitor", "stdio"], stdin=subprocess.PIPE,
                       stdout=subprocess.DEVNULL)
    path = os.path.join(s.directory, "ring-0")
    while not os.path.exists(path):
        time.sleep(0.05)
    process.stdin.write(b"cont\n")
    process.stdin.flush()
    taken = 0
    with open(path, "r+b", buffering=0) as ring:
        ended = False
        while not ended:
            ended = process.poll() is not None
            ring.seek(64)
            head, = struct.unpack("<Q", ring.read(8))
            taken = head
            ring.seek(128)
            ring.write(struct.pack("<Q", head))
    counters = s.counters()
    check.equal("consumer beside: all taken", (taken, counters["dropped-records"]), (counters["records"], 0))


def refused(build, out):
    process, s = start(build, out, "busy32")
    wait_for_records(s)
    plugin = os.path.join(build, "libreheat-qemu.so")
    inode = os.stat(os.path.join(s.directory, "ring-0")).st_ino
    for what, options in (("another session's directory", f"dir={s.directory}"), ("no dir", "guest=x"),
                          ("capacity 1000", f"dir={out}/other,capacity=1000"),
                          ("a capacity that no agent takes", f"dir={out}/other,capacity=536870912"),
                          ("a range upside down", f"dir={out}/other,inside=0x2000-0x1000"),
                          ("an unknown option", f"dir={out}/other,colour=red")):
        done = subprocess.run([guests.X86_64, "-display", "none", "-nodefaults", "-plugin", f"{plugin},{options}"],
                              capture_output=True, text=True, timeout=30)
        check.ok(f"refused: {what}", done.returncode == 1 and "reheat: " in done.stderr, done)
    check.equal("refused: the first session is untouched", os.stat(os.path.join(s.directory, "ring-0")).st_ino, inode)
    process.kill()
    process.wait()
    info = dict(line.split(" ", 1) for line in open(os.path.join(s.directory, "wedge.info")).read().splitlines())
    check.equal("wedge.info", (info["kind"], info["guest"], info["arch"]), ("qemu", "guest", "x86_64"))
    check.equal("no file left over", sorted(os.listdir(s.directory)), ["code", "ring-0", "wedge.info"])


def crashed(build, out):
    """QEMU's own race is told from every other death; that it happens without a wedge is seen here."""
    command = [guests.X86_64, "-nodefaults", "-display", "none", "-no-reboot", "-accel", "tcg,thread=multi", "-smp", "4", *guests.EXIT,
               "-kernel", os.path.join(out, "moving32")]
    for _ in range(5):
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=120, env=session.watched(build))
        if done.returncode != WELL:
            break
    check.ok("no wedge, the memory map changes under four processors: a crash is QEMU's own, and known as such",
             done.returncode == WELL or session.is_emulators_own(done.returncode, done.stderr), done)
    for number in signal.SIGSEGV, signal.SIGABRT:
        process, s = start(build, out, "busy32", stderr=subprocess.PIPE, text=True, env=session.watched(build))
        try:
            wait_for_records(s)
            process.send_signal(number)
            errors = process.communicate(timeout=30)[1]
        finally:
            process.kill()
        check.ok(f"another death, {number.name}: seen, and not taken for it",
                 process.returncode == -number and "crash: frames" in errors and not session.is_emulators_own(process.returncode, errors), errors)


def all(build, out):
    for source in "busy32", "poweroff32", "rep32", "moving32":
        guests.assemble(source, out)
    for part in orderly, killed, full, consumed, refused, crashed:
        part(build, out)
