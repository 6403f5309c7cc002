"""A session directory, read with ringdump, and QEMU run over one."""
import os
import re
import shutil
import subprocess
from collections import namedtuple

import check

Record = namedtuple("Record", "ring vcpu ip operation access size elements continued hit target")


class Session:
    def __init__(self, build, directory):
        self.ringdump = os.path.join(build, "ringdump")
        self.directory = directory

    def records(self):
        for line in check.run(self.ringdump, "-r", self.directory).splitlines():
            ring, vcpu, ip, operation, access, size, elements, flags, target = line.split()
            yield Record(int(ring[5:]), int(vcpu), int(ip, 16), operation, int(access, 16), int(size),
                         int(elements), int(flags) & 1, int(flags) >> 2 & 1, int(target))

    def counters(self):
        words = check.run(self.ringdump, self.directory).splitlines()[-1].split()
        return {name: int(value) for name, value in zip(words[::2], words[1::2])}

    def code(self):
        lines = check.run(self.ringdump, "-c", self.directory).splitlines()[:-1]
        return {int(ip, 16): code for ip, code in (line.split() for line in lines)}


def start(build, directory, qemu, arguments, options="", **popen):
    shutil.rmtree(directory, ignore_errors=True)
    plugin = os.path.join(build, "libreheat-qemu.so")
    command = [qemu, "-nodefaults", "-display", "none", "-no-reboot",
               "-plugin", f"{plugin},dir={directory}{options}", *arguments]
    return subprocess.Popen(command, **popen)


def finish(process, seconds):
    try:
        output = process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        output = process.communicate()[0]
        raise RuntimeError(f"QEMU did not end within {seconds} s: {process.args}\n{(output or b'')[-2000:]!r}")
    return process.returncode, output or b""


def watched(build):
    """The environment of a QEMU that says on standard error where it was when it died."""
    library = os.path.join(build, "crash.so")
    if not os.path.exists(library):
        check.run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", library, os.path.join(check.HERE, "crash.c"))
    return {**os.environ, "LD_PRELOAD": library}


def is_emulators_own(status, console):
    """True if QEMU died of its own race, with or without a wedge (services/wedges/qemu/README.md, "QEMU's own crash"): a device access that looks its
    section up in another map than its TLB entry is of, called by translated code and by nothing of the wedge's. Any other death is the wedge's."""
    frames = [line for line in console.rpartition("crash: frames")[2].splitlines() if re.search(r"\[0x[0-9a-f]+\]$", line)]
    program = [frame for frame in frames if not re.search(r"/crash\.so|/libc\.so", frame)]
    return status == -11 and "libreheat" not in "".join(frames) and bool(program) and "(memory_region_dispatch_" in program[0]


EXCUSED = 3
excuses = 0


def survived(attempt, processors):
    """What attempt() returns, (status, console, ...), repeated where QEMU dies of its own race: that takes two processors, and is rare."""
    global excuses
    while True:
        result = attempt()
        if processors == 1 or excuses == EXCUSED or not is_emulators_own(*result[:2]):
            return result
        excuses += 1
        print(f"      QEMU's own crash, {excuses} of at most {EXCUSED}; again")
