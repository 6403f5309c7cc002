"""A guest, and a collector with a database of its own."""
import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import check

GUESTS = os.path.join(check.ROOT, "deploy/guests")
SECONDS = 300


def values(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


class Guest:
    def __init__(self, variant, reheat):
        self.variant, self.reheat = variant, reheat
        self.arch = "i386" if variant.endswith("32") else "x86_64"
        built = values(check.run(f"{GUESTS}/linux/build.sh", "--variant", variant))
        self.vmlinux, self.kernel = built["vmlinux"], built["bzImage"]
        self.initramfs = values(check.run(f"{GUESTS}/init/build.sh", "--arch", self.arch))["initramfs"]

    def qemu(self, processors=2, append="", extra=()):
        program = ["qemu-system-i386"] if self.arch == "i386" else []
        return [*program, "-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(processors), "-m", "256",
                "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-vga", "std", "-serial", "stdio",
                "-monitor", "none", "-netdev", "user,id=n0,restrict=on", "-device", "e1000,netdev=n0",
                "-kernel", self.kernel, "-initrd", self.initramfs,
                "-append", f"console=tty0 console=ttyS0 nokaslr panic=-1 {append}", *extra]


class Loop:
    """`reheat up` with a fresh database."""

    def __init__(self, guest):
        self.guest = guest
        self.directory = tempfile.mkdtemp(prefix="reheat-guest-test-")
        os.chmod(self.directory, 0o755)
        self.temporary = os.path.join(self.directory, "tmp")
        os.mkdir(self.temporary)
        self.address = os.path.join(self.directory, "address")
        self.listen = "127.0.0.1:0"
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        if os.path.exists(self.address):
            os.unlink(self.address)
        with open(os.path.join(self.directory, "up.log"), "ab") as log:
            self.process = subprocess.Popen(
                [self.guest.reheat, "up", "--data", f"{self.directory}/state", "--listen", self.listen, "--address-file", self.address],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not os.path.exists(self.address):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("reheat up: " + open(f"{self.directory}/up.log").read()[-2000:])
            time.sleep(0.05)
        self.url = open(self.address).read().strip()
        self.listen = self.url.removeprefix("http://")   # the same again after a restart

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)

    def kill(self):
        """As a crash would: PostgreSQL goes on, as it is a process of its own."""
        self.process.kill()
        self.process.wait()

    def sql(self, query):
        return check.run("psql", "-X", "-h", f"{self.directory}/state/run", "-U", "reheat", "-d", "reheat", "-qAt", "-v", "ON_ERROR_STOP=1",
                         "-c", "SET ROLE reheat_reader", "-c", query).strip()

    def command(self, *arguments):
        return [self.guest.reheat, *arguments, "--collector", self.url]

    def reheat(self, *arguments):
        return check.run(*self.command(*arguments))

    def begin(self, *options, bias="", **qemu):
        """Starts `reheat guest run`."""
        self.console = os.path.join(self.directory, "console")
        image = self.guest.vmlinux + (f"@{bias}" if bias else "")
        return subprocess.Popen(
            self.command("guest", "run", "--image", image, "--series", "test", "--console", self.console, "--json", *options)
            + ["--", *self.guest.qemu(**qemu)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            env={**os.environ, "TMPDIR": self.temporary})

    def recording(self, session):
        """Waits until a wedge has begun to record."""
        deadline = time.monotonic() + 60
        while not glob.glob(f"{session}/ring-*"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{session}: no ring within a minute")
            time.sleep(0.05)

    def boots(self):
        """Waits until the kernel says its first word."""
        for _ in range(1200):
            if os.path.exists(self.console):
                with open(self.console, "rb") as console:
                    if b"Linux version" in console.read():
                        return True
            time.sleep(0.05)
        return False

    def end(self, process):
        """(exit code, what it printed as JSON or None, standard error)"""
        out, err = process.communicate(timeout=SECONDS)
        return process.returncode, json.loads(out) if out.strip() else None, err

    def transcript(self):
        with open(self.console, "rb") as console:
            return [line for line in console.read().decode(errors="replace").replace("\r", "").splitlines() if line.startswith("reheat:")]

    def balanced(self, name, result):
        """What the wedge counted is what PostgreSQL has, to the trap."""
        stored = int(self.sql("SELECT coalesce(sum(traps), 0) FROM reheat.sites"))
        minutes = int(self.sql("SELECT coalesce(round(sum(traps_per_second * 60)), 0) FROM reheat.trap_rate"))
        dropped = int(self.sql("SELECT coalesce(sum(dropped), 0) FROM reheat.accounting"))
        check.equal(f"{name}: recorded = stored", stored, result["traps_recorded"])
        check.equal(f"{name}: dropped", dropped, 0)
        check.equal(f"{name}: the minutes add up to the totals", minutes, stored)
        check.equal(f"{name}: the marks' own sum", int(self.sql("SELECT sum(stored) FROM reheat.accounting")), stored)
        return stored
