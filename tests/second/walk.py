"""Walks the code of one section in both objects, function after function, and accepts no difference but padding behind records,
branches that lead to the moved place, and filling up to an alignment."""
import re

import elf
from addresses import Map

TARGET = re.compile(r"^(?:0x)?([0-9a-f]+)(?: <.*>)?$")
RELATIVE = re.compile(r"# (?:0x)?([0-9a-f]+)")
MOST = 25


class Walk:
    def __init__(self, pair, name, plain, annotated, records):
        self.pair, self.name = pair, name
        self.plain, self.annotated = plain, annotated          # [Instruction]
        self.records = dict(records)                           # start -> end
        self.map = Map()
        self.used, self.pending = set(), []
        self.relocations = {}, {}

    def fault(self, address, what):
        self.pair.fault(f"{self.name}+0x{address:x} ({self.pair.function_at(self.name, address)}): {what}")

    def run(self, plain_relocations, annotated_relocations):
        self.relocations = by_offset(plain_relocations), by_offset(annotated_relocations)
        p, a = self.plain, self.annotated
        i = j = 0
        while True:
            gi, gj = i, j
            while i < len(p) and p[i].is_nop:
                i += 1
            while j < len(a) and a[j].is_nop:
                j += 1
            self.fill(p[gi:i], a[gj:j], p[gi - 1] if gi else None, a[gj - 1] if gj else None, p[i] if i < len(p) else None, a[j] if j < len(a) else None)
            if i == len(p) or j == len(a):
                break
            if not self.same(p[i], a[j]):
                self.fault(p[i].address, f"{text(p[i])} has become {text(a[j])} at 0x{a[j].address:x}")
                if len(self.pair.faults) > MOST:
                    return
            i, j = i + 1, j + 1
        if i != len(p) or j != len(a):
            where = p[i].address if i < len(p) else p[-1].address if p else 0
            self.fault(where, f"{len(p) - i} instructions left of the plain code, {len(a) - j} of the annotated")
        for start in self.records.keys() - self.used:
            self.pair.fault(f"{self.name}: a record at 0x{start:x} of the annotated code names no instruction")

    def follow(self):
        """What leads from place to place, once all sections' maps are there."""
        for check in self.pending:
            check()

    def fill(self, plain, annotated, before, new_before, after, new_after):
        """NOPs between two instructions: padding first, then what was there, which may differ in length up to an aligned place."""
        start = new_before.address + new_before.size if new_before else 0
        record = self.records.get(new_before.address) if new_before else None
        if record is not None:
            self.used.add(new_before.address)
            end = annotated[-1].address + annotated[-1].size if annotated else start
            if record < start or record > end:
                self.fault(before.address, f"its record ends at 0x{record:x}, outside of the padding 0x{start:x} to 0x{end:x}")
                return
            if record not in {start, end, *(x.address for x in annotated)}:
                self.fault(before.address, f"its record ends inside of a NOP, at 0x{record:x}")
            annotated = [x for x in annotated if x.address >= record]
            start = record
        old = before.address + before.size if before else 0
        old_end = plain[-1].address + plain[-1].size if plain else old
        end = annotated[-1].address + annotated[-1].size if annotated else start
        if b"".join(x.bytes for x in plain) == b"".join(x.bytes for x in annotated):
            for x, y in zip(plain, annotated):
                self.map.add(x.address, y.address)
        elif self.is_alignment(old, old_end, start, end) or self.is_jump_label(plain, annotated, old, old_end) or self.pair.is_alternative_filling(self.name, old, old_end):
            for x in plain:
                self.map.add(x.address, start + x.address - old)
                self.map.add(x.address, end - (old_end - x.address))
            self.map.fillings.append((old, old_end, start, end))
        else:
            self.fault(old, f"{old_end - old} bytes of NOPs have become {end - start} that no record explains")
        self.map.add(old, start)
        self.map.add(old_end, end)
        if not plain:
            self.map.add(old, end)

    def is_alignment(self, old, old_end, start, end):
        """Both end on a boundary that they had not reached. Compilers ask for 16, and for 8 where 16 is too far."""
        common = alignment(old_end | end)
        least = 8 if old == old_end and self.pair.plain.is64 else 4
        return common >= least and old_end - old < max(alignment(old_end), 1) and end - start < max(alignment(end), 1)

    def is_jump_label(self, plain, annotated, old, old_end):
        """objtool turns a static branch's jump into a NOP of its length, which follows the distance."""
        return len(plain) == len(annotated) == 1 and {plain[0].size, annotated[0].size} == {2, 5} and self.pair.is_jump_label(self.name, old)

    def same(self, x, y):
        self.map.instruction(x.address, y.address, x.size)
        mine, other = self.inside(0, x), self.inside(1, y)
        if x.mnemonic != y.mnemonic or [(r.offset - x.address - x.size, r.type) for r in mine] != [(r.offset - y.address - y.size, r.type) for r in other]:
            return False
        for r, s in zip(mine, other):
            self.pending.append(lambda r=r, s=s: self.reference(x, y, r, s))
        if mine:
            return masked(x, mine, self.pair.plain) == masked(y, other, self.pair.annotated)
        if (target := branch_target(x)) is not None:
            new = branch_target(y)
            self.pending.append(lambda: self.lands(x, target, new))
            return new is not None and (x.size == y.size or is_stretched(x, y)) and opcode(x) == opcode(y)
        if (target := RELATIVE.search(x.operands)) and "(%rip)" in x.operands:
            new = RELATIVE.search(y.operands)
            self.pending.append(lambda: self.lands(x, int(target.group(1), 16), int(new.group(1), 16) if new else None))
            return x.size == y.size and without_operand(x) == without_operand(y)
        return x.bytes == y.bytes

    def inside(self, which, x):
        table = self.relocations[which]
        return [table[at] for at in range(x.address, x.address + x.size) if at in table]

    def lands(self, x, target, new):
        if new is None or not self.map.has(target, new):
            self.fault(x.address, f"{text(x)} leads to 0x{target:x}, but to {'nothing' if new is None else hex(new)} in the annotated code: expected {places(self.map.of(target))}")

    def reference(self, x, y, r, s):
        distance = x.address + x.size - r.offset if self.pair.is_relative(r.type) else 0
        if not self.pair.same_place(r, s, distance):
            self.fault(x.address, f"{text(x)}: refers to {self.pair.place(r, self.pair.plain)}, in the annotated code to {self.pair.place(s, self.pair.annotated)}")


def alignment(address):
    """The power of two that it is a multiple of, up to 64."""
    return (address | 64) & -(address | 64)


def by_offset(relocations):
    return {r.offset: r for r in relocations}


def text(x):
    return f"{x.mnemonic} {x.operands}".strip()


def places(addresses):
    return " or ".join(hex(a) for a in sorted(addresses)) or "no place"


def branch_target(x):
    name = x.mnemonic.split()[-1].split(",")[0]
    if not (name.startswith(("j", "loop", "call")) or name == "xbegin") or x.operands.startswith("*"):
        return None
    match = TARGET.match(x.operands)
    return int(match.group(1), 16) if match else None


def is_stretched(x, y):
    """A short jump may become a near one, and the other way where alignments shrink."""
    return {x.size, y.size} in ({2, 5}, {2, 6}, {3, 6}, {3, 7}) and x.mnemonic.split()[-1].startswith("j")


def opcode(x):
    """The condition of a jump, without its form; of a call the byte."""
    raw = x.bytes.lstrip(b"\x2e\x3e\xf2\x66")
    if raw[:1] == b"\x0f":
        return 0x70 | raw[1] & 15
    return {0xe9: 0xeb}.get(raw[0], raw[0])


def masked(x, relocations, obj):
    raw = bytearray(x.bytes)
    if obj.has_addends:
        return bytes(raw)
    for r in relocations:
        at = r.offset - x.address
        raw[at:at + elf.width(obj, r.type)] = bytes(elf.width(obj, r.type))
    return bytes(raw)


def without_operand(x):
    """The bytes without the displacement that the processor adds to the next instruction's address."""
    target = int(RELATIVE.search(x.operands).group(1), 16)
    displacement = (target - x.address - x.size & 0xffffffff).to_bytes(4, "little")
    at = x.bytes.rfind(displacement)
    return x.bytes[:at] + b"????" + x.bytes[at + 4:] if at >= 0 else x.bytes
