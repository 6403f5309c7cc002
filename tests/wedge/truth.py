"""Which frames of a stopped Linux are page tables, by the kernel's own account: its own table, the list of all processes'
tables (pgd_list), what the processors have in CR3, and every table that these lead to. Read from guest RAM, which is a file."""
import json
import mmap
import re
import socket
import struct

import check

PTE, PMD, PUD, P4D, PGD = 1, 2, 3, 4, 5
ADDRESS = 0x000ffffffffff000
KERNEL = 0xffffffff80000000     # where the image is linked; loaded at its physical address with nokaslr
DIRECT = 0xffff888000000000     # all RAM, with nokaslr
LRU, MM = 8, 32                 # in struct page of a table, 64 bits


class Monitor:
    """QMP, for one command at a time."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("rw")
        self.lines.readline()
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        self.lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.lines.flush()
        while True:
            line = self.lines.readline()
            if not line:
                raise EOFError("QEMU has ended")
            answer = json.loads(line)
            if "event" not in answer:
                return answer["return"]

    def roots(self):
        """CR3 of each processor that has paging on."""
        text = self.execute("human-monitor-command", **{"command-line": "info registers -a"})
        return [int(cr3, 16) & ADDRESS for cr0, cr3 in re.findall(r"CR0=([0-9a-f]+) CR2=[0-9a-f]+ CR3=([0-9a-f]+)", text)
                if int(cr0, 16) >> 31]


class Linux:
    """64 bits, four levels."""

    def __init__(self, vmlinux, ram):
        names = {"init_top_pgt", "init_mm", "pgd_list"}
        self.symbols = {name: int(value, 16) for value, _, name in
                        (line.split() for line in check.run("nm", vmlinux).splitlines() if len(line.split()) == 3) if name in names}
        self.own, self.up = (self.symbols["init_top_pgt"] - KERNEL) >> 12, False
        with open(ram, "rb") as file:
            self.ram = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)

    def is_up(self, monitor):
        """True once the kernel has had its own tables in use: before, what is at its symbols may be anything."""
        self.up = self.up or self.own << 12 in monitor.roots()
        return self.up

    def entries(self, frame):
        return struct.unpack_from("<512Q", self.ram, frame << 12)

    def kernel(self, address):
        return struct.unpack_from("<Q", self.ram, address - KERNEL)[0]

    def at(self, virtual):
        """The value at a virtual address of the kernel, by its own tables; None where nothing is mapped."""
        frame = self.own
        for shift in 39, 30, 21, 12:
            entry = self.entries(frame)[virtual >> shift & 511]
            if not entry & 1:
                return None
            if shift in (30, 21) and entry & 0x80:
                page = (entry & ADDRESS & ~((1 << shift) - 1)) | (virtual & ((1 << shift) - 1))
                return struct.unpack_from("<Q", self.ram, page)[0]
            frame = (entry & ADDRESS) >> 12
        return struct.unpack_from("<Q", self.ram, (frame << 12) + (virtual & 0xfff))[0]

    def processes(self):
        """Frames of the roots on pgd_list: it links their struct pages, each of which names the mm that the root is of."""
        head, found = self.symbols["pgd_list"], []
        at = self.kernel(head)
        while at and at != head:
            mm = self.at(at - LRU + MM)
            found.append((self.at(mm + self.pgd_in_mm()) - DIRECT) >> 12)
            at = self.at(at)
            if len(found) > 100000:
                raise RuntimeError("pgd_list has no end")
        return found

    def pgd_in_mm(self):
        """Where struct mm_struct has its root: where the kernel's own, init_mm, has init_top_pgt."""
        return next(offset for offset in range(0, 1024, 8) if self.kernel(self.symbols["init_mm"] + offset) == self.symbols["init_top_pgt"])

    def tables(self, roots):
        """{frame: level} of all that these roots lead to, themselves included."""
        found = {}

        def walk(frame, level):
            if found.get(frame) == level or frame << 12 >= len(self.ram):
                return
            found[frame] = max(found.get(frame, 0), PGD if level == 4 else level)
            if level == PTE:
                return
            for entry in set(self.entries(frame)):
                if entry & 1 and not (level <= PUD and entry & 0x80):
                    walk((entry & ADDRESS) >> 12, level - 1)

        for root in roots:
            walk(root, 4)
        return found

    def account(self, monitor):
        """(tables that some processor walks, tables of all that the kernel knows)"""
        loaded = self.tables([root >> 12 for root in monitor.roots()])
        return loaded, {**self.tables([self.own, *self.trampoline(), *self.processes()]), **loaded}

    def trampoline(self):
        """The table that processors begin with lies below 1 MiB, and has the kernel's own last entries (setup_real_mode)."""
        last = self.entries(self.own)[511]
        return [frame for frame in range(256) if last and self.entries(frame)[511] == last]
