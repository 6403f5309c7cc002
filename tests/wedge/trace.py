"""QEMU's own trace of memory_region_ops_* laid beside the wedge's records, vCPU by vCPU, access by access."""
import re
from collections import Counter, namedtuple

Line = namedtuple("Line", "direction address size name")
PATTERN = re.compile(r"memory_region_ops_(read|write) cpu (-?\d+) mr 0x[0-9a-f]+ addr 0x([0-9a-f]+) value 0x[0-9a-f]+"
                     r" size (\d+) name '(.*)'")
PORTS = 0x10000   # the trace has port accesses too; no device's memory begins below them


def read(path):
    """{vcpu: [Line]} of what vCPUs did to device memory, messages of interrupts included."""
    lines = {}
    with open(path, errors="replace") as file:
        for text in file:
            match = PATTERN.search(text)
            if not match:
                raise ValueError(f"{path}: not a line of the trace: {text!r}")
            direction, cpu, address, size, name = match.groups()
            if int(cpu) >= 0 and int(address, 16) >= PORTS:
                lines.setdefault(int(cpu), []).append(Line(direction, int(address, 16), int(size), name))
    return lines


def is_message(line):
    """A device's interrupt message, sent while a vCPU wrote to the device. Processors have no register there."""
    return line.direction == "write" and line.name == "apic-msi" and line.address & 0xfff < 0x20


class Comparison:
    def __init__(self, records, lines):
        self.traced, self.recorded = Counter(), Counter()
        self.messages = self.unassigned = 0
        self.trouble = []
        touched = {byte for per_cpu in lines.values() for line in per_cpu
                   for byte in range(line.address, line.address + line.size)}
        rings = {}
        for r in records:
            rings.setdefault(r.vcpu, []).append(r)
        for vcpu in sorted(set(rings) | set(lines)):
            self.align(vcpu, rings.get(vcpu, []), lines.get(vcpu, []), touched)

    def align(self, vcpu, records, lines, touched):
        at = 0
        for number, r in enumerate(records):
            for direction in {"exchange": ("read", "write")}.get(r.operation, (r.operation,)):
                at, name = self.take(lines, at, direction, r)
                if name:
                    self.traced[name, direction] += 1
                    self.recorded[name, direction] += 1
                elif not touched.intersection(range(r.access, r.access + r.size)):
                    self.unassigned += 1          # no device there: QEMU traces nothing
                else:
                    self.recorded["unmatched", direction] += 1
                    self.trouble.append(f"vCPU {vcpu} record {number} {r} at {lines[at:at + 2]}")
                    if len(self.trouble) > 5:
                        return
        while at < len(lines):
            if is_message(lines[at]):
                self.messages += 1
            else:
                self.traced[lines[at].name, lines[at].direction] += 1
                self.trouble.append(f"vCPU {vcpu}: not recorded: {lines[at]}")
            at += 1

    def take(self, lines, at, direction, r):
        """Takes the lines of one access. QEMU splits it if the device's registers are narrower, and makes of an
        unaligned load the two aligned ones around it."""
        address, end, name = r.access, r.access + r.size, None
        if direction == "read" and r.access % r.size:
            address -= r.access % r.size
            end = address + 2 * r.size
        while address < end:
            while at < len(lines) and is_message(lines[at]):
                self.messages += 1
                at += 1
            if at == len(lines) or lines[at].direction != direction or lines[at].address != address:
                break
            name = lines[at].name
            address += lines[at].size
            at += 1
        return at, name
