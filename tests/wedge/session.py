"""A session directory, read with ringdump, and QEMU run over one."""
import os
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
