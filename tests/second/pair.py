"""A plain object and the annotated one of the same source: everything of the first must be in the second."""
import bisect

import code
import dwarf
import elf
from addresses import Identity
from walk import Walk

RECORDS = ".debug_afterburn"
# What the link and the loader do not read, or what says where things are in the file.
STRUCTURE = {elf.SYMTAB, elf.STRTAB, elf.RELA, elf.REL, 18}
JUMP_LABELS, ALTERNATIVES = "__jump_table", ".altinstructions"


class Pair:
    def __init__(self, plain, annotated, name=None):
        self.plain, self.annotated = elf.Object(plain), elf.Object(annotated)
        self.name = name or plain
        self.faults = []
        self.records = 0
        self.maps = {}                     # key of a section -> Map
        self.keys = {}, {}                 # index of a section -> its key
        self.labels = {}
        self.identity = Identity()

    def fault(self, text):
        self.faults.append(f"{self.name}: {text}")

    def check(self):
        """The list of faults, empty if the objects differ as they may."""
        if (self.plain.machine, self.plain.is64) != (self.annotated.machine, self.annotated.is64):
            self.fault("not of the same architecture")
            return self.faults
        plain, annotated = self.index(0, self.plain), self.index(1, self.annotated)
        for key in plain.keys() - annotated.keys():
            self.fault(f"section {key[0]} is missing")
        for key in annotated.keys() - plain.keys():
            if not key[0].startswith(RECORDS):
                self.fault(f"section {key[0]} was added")
        both = [key for key in plain if key in annotated]
        for key in both:
            x, y = plain[key], annotated[key]
            align = 0 if key[0].startswith(".debug") else x.align ^ y.align     # a compressed one has the head's
            if (x.type, x.flags, x.entsize, align) != (y.type, y.flags, y.entsize, 0):
                self.fault(f"section {key[0]}: type, flags, alignment or entry size changed")
        records = self.read_records()
        self.read_tables(plain, annotated)
        self.walk_code(both, plain, annotated, records)
        for key in both:
            if key not in self.maps and plain[key].type not in STRUCTURE | {elf.GROUP, elf.NOBITS}:
                self.data(key, plain[key], annotated[key])
            elif plain[key].type == elf.NOBITS and plain[key].size != annotated[key].size:
                self.fault(f"section {key[0]}: {plain[key].size} bytes have become {annotated[key].size}")
        self.orc(plain, annotated)
        self.symbols()
        dwarf.check(self, {k: plain[k] for k in both}, {k: annotated[k] for k in both})
        return self.faults

    def index(self, which, obj):
        """Sections by name, group and number among those of that name and group."""
        found, seen = {}, {}
        for section in obj.sections[1:]:
            if section.type in STRUCTURE:
                continue
            base = section.name, obj.group_of(section)
            seen[base] = seen.get(base, -1) + 1
            found[key := (*base, seen[base])] = section
            self.keys[which][section.index] = key
        return found

    def read_records(self):
        """{key of a section: {start: end}}, addresses of the annotated code."""
        records = {}
        obj = self.annotated
        for section in obj.sections:
            if not section.name.startswith(RECORDS) or section.name.startswith(RECORDS + "_"):
                continue
            if section.flags & elf.ALLOC:
                self.fault(f"section {section.name} is loaded")
            relocations = obj.relocations(section)
            if len(relocations) * obj.word != section.size or section.size % (2 * obj.word) or \
                    [r.offset for r in relocations] != list(range(0, section.size, obj.word)):
                self.fault(f"section {section.name}: {section.size} bytes with {len(relocations)} relocations are no records")
                continue
            for start, end in zip(relocations[::2], relocations[1::2]):
                a, b = self.target(start, 1, 0), self.target(end, 1, 0)
                # An absolute address, of 64 or 32 bits: 1 on both machines.
                if a is None or b is None or a[0] != b[0] or a[1] >= b[1] or (start.type, end.type) != (1, 1):
                    self.fault(f"section {section.name}+0x{start.offset:x}: {a} to {b} is no range")
                    continue
                known = records.setdefault(a[0], {}).setdefault(a[1], b[1])
                if known != b[1]:
                    self.fault(f"section {section.name}+0x{start.offset:x}: two records of 0x{a[1]:x} end at 0x{known:x} and 0x{b[1]:x}")
                self.records += 1
        return records

    def read_tables(self, plain, annotated):
        """The plain places that the kernel patches: their own entries are compared as data."""
        self.jump_labels, self.alternatives = set(), []
        for key, section in plain.items():
            relocations = self.plain.relocations(section) if key[0] in (JUMP_LABELS, ALTERNATIVES) else []
            if key[0] == JUMP_LABELS:
                self.jump_labels |= {self.target(r, 0, 0) for r in relocations}
            elif key[0] == ALTERNATIVES:
                for original in relocations[::2]:
                    target = self.target(original, 0, 0)
                    length = section.data[original.offset + 10] if original.offset + 10 < section.size else 0
                    if target:
                        self.alternatives.append((target[0], target[1], target[1] + length))

    def walk_code(self, both, plain, annotated, records):
        mine, other = code.disassemble(self.plain.path, self.plain), code.disassemble(self.annotated.path, self.annotated)
        walks = []
        for key in both:
            x, y = plain[key], annotated[key]
            if x.index not in mine or y.index not in other:
                if (x.index in mine) != (y.index in other):
                    self.fault(f"section {key[0]}: code in one object alone")
                continue
            walk = Walk(self, key[0], mine[x.index], other[y.index], records.pop(key, {}))
            self.maps[key] = walk.map
            walk.run(self.plain.relocations(x), self.annotated.relocations(y))
            walks.append(walk)
        # References go from section to section: all maps first, then what leads through them.
        for walk in walks:
            walk.follow()
        for key, left in records.items():
            self.fault(f"records of section {key[0]}, which has no code: {left}")

    def data(self, key, x, y):
        if key[0].startswith(".debug") or key[0] == ".eh_frame":
            return
        mine, other = self.plain.relocations(x), self.annotated.relocations(y)
        if key[0] in (".orc_unwind", ".orc_unwind_ip"):
            return                                   # by orc(), together
        if x.size != y.size or len(mine) != len(other):
            self.fault(f"section {key[0]}: {x.size} bytes, {len(mine)} relocations have become {y.size}, {len(other)}")
            return
        table = None
        changed = dict(enumerate_differences(x.data, y.data))
        for r, s in zip(mine, other):
            if (r.offset, r.type) != (s.offset, s.type):
                self.fault(f"section {key[0]}+0x{r.offset:x}: relocation of type {r.type} has become one of type {s.type} at 0x{s.offset:x}")
                continue
            ok, table = self.same_entry(r, s, table)
            if not ok:
                self.fault(f"section {key[0]}+0x{r.offset:x}: refers to {self.place(r, self.plain)}, in the annotated object to {self.place(s, self.annotated)}")
            if not self.plain.has_addends:
                for at in range(r.offset, r.offset + elf.width(self.plain, r.type)):
                    changed.pop(at, None)
        if key[0] == ALTERNATIVES:
            self.alternative_lengths(x, y, changed)
        for at in sorted(changed)[:3]:
            self.fault(f"section {key[0]}+0x{at:x}: byte {x.data[at]:02x} has become {y.data[at]:02x}")

    def same_entry(self, r, s, table):
        """A relative entry of a jump table counts from the table's start, not from itself."""
        if not self.is_relative(r.type) or self.target(r, 0, 0) is None or self.target(r, 0, 0)[0] not in self.maps:
            return self.same_place(r, s, 0), None
        if table is not None and self.same_place(r, s, table - r.offset):
            return True, table
        if self.same_place(r, s, 0):
            return True, r.offset
        return False, None

    def alternative_lengths(self, x, y, changed):
        """The length of an original grows with the padding in it (byte 10 of 12; Linux 6.3 and later: 12 of 14)."""
        for r, s in zip(self.plain.relocations(x)[::2], self.annotated.relocations(y)[::2]):
            a, b = self.target(r, 0, 0), self.target(s, 1, 0)
            at = r.offset + 10
            if at in changed and a and b and a[0] in self.maps and self.maps[a[0]].length(a[1], x.data[at], b[1], y.data[at]):
                del changed[at]

    def orc(self, plain, annotated):
        """Unwind data of objtool, a table of places and one of what holds there: the same things hold at the same places."""
        def entries(which, obj, sections):
            places = next((s for k, s in sections.items() if k[0] == ".orc_unwind_ip"), None)
            facts = next((s for k, s in sections.items() if k[0] == ".orc_unwind"), None)
            if places is None or facts is None:
                return []
            at = [self.target(r, which, 0) for r in obj.relocations(places)]
            size = facts.size // max(len(at), 1)
            return [(a[0], a[1], facts.data[i * size:(i + 1) * size]) for i, a in enumerate(at) if a]

        mine, other = {}, {}
        for key, at, fact in entries(0, self.plain, plain):
            mine.setdefault(key, []).append((at, fact))
        for key, at, fact in entries(1, self.annotated, annotated):
            other.setdefault(key, []).append((at, fact))
        for key in mine.keys() | other.keys():
            a, b = sorted(mine.get(key, []), key=lambda e: e[0]), sorted(other.get(key, []), key=lambda e: e[0])
            starts = [e[0] for e in b]
            expected = self.maps.get(key, self.identity)
            for at, fact in a:
                for place in expected.of(at):
                    i = bisect.bisect_right(starts, place) - 1
                    if i >= 0 and b[i][1] == fact:
                        break
                else:
                    if key in self.maps and expected.is_gone(at):
                        continue
                    self.fault(f"unwind data of {key[0]}+0x{at:x} ({self.function_at(key[0], at)}) changed")
            known = {place for at, _ in a for place in expected.of(at)}
            # Where a filling came to be, objtool says that nothing is known; and the other way.
            extra = [at for at, fact in b if at not in known and not expected.is_filling(at)] if key in self.maps else []
            if extra:
                self.fault(f"unwind data of {key[0]}: {len(extra)} new places, the first 0x{extra[0]:x} of the annotated code")

    def symbols(self):
        def table(which, obj):
            found = {}
            for s in obj.symbols[1:]:
                if s.type != 3:
                    place = self.keys[which].get(s.section, s.section)
                    found.setdefault((s.name, s.type, s.bind, s.other, place), []).append(s)
            return found
        mine, other = table(0, self.plain), table(1, self.annotated)
        for key in mine.keys() ^ other.keys():
            self.fault(f"symbol {key[0] or '(none)'} is in the {'plain' if key in mine else 'annotated'} object alone")
        for key in mine.keys() & other.keys():
            places = self.maps.get(key[4], self.identity)
            left = list(other[key])
            for s in mine[key]:
                match = next((t for t in left if places.length(s.value, s.size, t.value, t.size)), None)
                if match is None:
                    self.fault(f"symbol {key[0]}: 0x{s.value:x} of {s.size} bytes has become {[(hex(t.value), t.size) for t in left]}")
                    break
                left.remove(match)

    # What the parts ask.

    def is_relative(self, kind):
        return kind in elf.PC_RELATIVE[self.plain.machine]

    def is_jump_label(self, name, address):
        return any(t and t[0][0] == name and t[1] == address for t in self.jump_labels)

    def is_alternative_filling(self, name, start, end):
        return any(key[0] == name and a <= start and end <= b for key, a, b in self.alternatives)

    def target(self, relocation, which, distance):
        """(key of the section, address) that a relocation leads to; None if its symbol is not defined here."""
        key = self.keys[which].get(relocation.symbol.section)
        return None if key is None else (key, relocation.symbol.value + relocation.addend + distance)

    def same_place(self, r, s, distance):
        a, b = self.target(r, 0, distance), self.target(s, 1, distance)
        if a is None or b is None:
            return a is b and (r.symbol.name, r.symbol.section, r.addend) == (s.symbol.name, s.symbol.section, s.addend)
        is_section = r.symbol.type == 3 or s.symbol.type == 3
        return a[0] == b[0] and (is_section or r.symbol.name == s.symbol.name) and self.maps.get(a[0], self.identity).has(a[1], b[1])

    def place(self, r, obj):
        name = r.symbol.name or obj.sections[r.symbol.section].name if r.symbol.section < len(obj.sections) else r.symbol.name
        return f"{name}{r.addend:+#x}"

    def function_at(self, section, address):
        if section not in self.labels:
            self.labels[section] = sorted((s.value, s.name) for s in self.plain.symbols if s.type in (0, 2, 10) and s.name
                                          and self.keys[0].get(s.section, ("",))[0] == section)
        at = bisect.bisect_right(self.labels[section], (address, "\U0010ffff")) - 1
        return self.labels[section][at][1] if at >= 0 else "no function"


def enumerate_differences(a, b):
    if a == b:
        return
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            yield i, (x, y)
