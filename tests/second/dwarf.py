"""Debug and unwind information of two objects: equal but for addresses, each of which must have become what the code's map says."""
import elf

NOP_OPERATIONS = {0}


class Reader:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, count):
        self.at += count
        if self.at > len(self.data):
            raise ValueError("ends early")
        return self.data[self.at - count:self.at]

    def number(self, count, signed=False):
        return int.from_bytes(self.take(count), "little", signed=signed)

    def unsigned(self):
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def signed(self):
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value - (1 << shift) if byte & 64 else value


class Side:
    """One object's section, with its relocations at hand."""

    def __init__(self, pair, which, section):
        self.pair, self.which = pair, which
        self.obj = (pair.plain, pair.annotated)[which]
        self.data = section.data
        self.relocations = {r.offset: r for r in self.obj.relocations(section)}

    def address(self, at, count):
        """(section, address) of a field: what its relocation says, or a bare number."""
        r = self.relocations.get(at)
        raw = int.from_bytes(self.data[at:at + count], "little")
        if r is None:
            return None, raw
        return self.pair.target(r, self.which, 0) or (r.symbol.name, r.addend)


def check(pair, plain, annotated):
    done = set()
    moved = {}                      # name of a section of lists -> {plain offset: annotated offset}
    info = next((k for k in plain if k[0] == ".debug_info"), None)
    base = unit_base(pair, plain, annotated, info) if info else (None, None)
    tables = addresses(pair, 0, plain), addresses(pair, 1, annotated)
    for key in plain:
        name = key[0]
        if not (name.startswith(".debug") or name == ".eh_frame"):
            continue
        x, y = Side(pair, 0, plain[key]), Side(pair, 1, annotated[key])
        try:
            if name == ".debug_line":
                lines(pair, x, y)
            elif name in (".debug_frame", ".eh_frame"):
                frames(pair, name, x, y)
            elif name in (".debug_loclists", ".debug_rnglists", ".debug_loc", ".debug_ranges"):
                moved[name] = lists(pair, name, x, y, base, tables, info and (plain[info], annotated[info]))
            elif name == ".debug_aranges":
                aranges(pair, x, y)
            else:
                continue
        except (ValueError, IndexError, KeyError) as error:
            pair.fault(f"section {name}: cannot be compared: {type(error).__name__}: {error}")
        done.add(key)
    for key in plain:
        if key[0].startswith(".debug") and key not in done:
            rest(pair, key[0], Side(pair, 0, plain[key]), Side(pair, 1, annotated[key]), moved)


def unit_base(pair, plain, annotated, info):
    """Where the unit's code begins, for lists that count from there; nowhere for a unit of several ranges."""
    def of(which, section, table):
        obj = (pair.plain, pair.annotated)[which]
        for r in obj.relocations(section):
            if r.symbol.type == 3 and obj.sections[r.symbol.section].name in (".debug_ranges", ".debug_rnglists"):
                return None
            target = pair.target(r, which, 0)
            if target and target[0] in pair.maps:
                return target
        # By index: the unit begins where its first function does.
        return min((a for a in table if a[0] in pair.maps), default=None)

    return tuple(of(i, sections[info], addresses(pair, i, sections)) for i, sections in enumerate((plain, annotated)))


def addresses(pair, which, sections):
    """The table that indices count in."""
    key = next((k for k in sections if k[0] == ".debug_addr"), None)
    if key is None:
        return []
    side = Side(pair, which, sections[key])
    return [side.address(at, side.obj.word) for at in range(8, len(side.data), side.obj.word)]


def same(pair, a, b):
    """Addresses as Side gives them."""
    if a[0] is None or b[0] is None or a[0] not in pair.maps:
        return a == b
    return a[0] == b[0] and pair.maps[a[0]].has(a[1], b[1])


# --- line programs

def lines(pair, x, y):
    mine, other = program(x), program(y)
    if mine[0] != other[0]:
        pair.fault("section .debug_line: the tables of files differ")
    a, b = mine[1], other[1]
    if len(a) != len(b):
        pair.fault(f"section .debug_line: {len(a)} rows have become {len(b)}")
        return
    for row, new in zip(a, b):
        if row[1:] != new[1:] or not same(pair, row[0], new[0]):
            pair.fault(f"section .debug_line: row {row} has become {new}")
            return


def program(side):
    r = Reader(side.data)
    heads, rows = [], []
    while r.at < len(side.data):
        end = r.number(4) + r.at
        version = r.number(2)
        if version not in (2, 3, 4, 5):
            raise ValueError(f"version {version}")
        sizes = r.take(2) if version >= 5 else b""
        start = r.number(4) + r.at
        minimum = r.number(1)
        most = r.number(1) if version >= 4 else 1
        is_statement, line_base, line_range, opcode_base = r.number(1), r.number(1, True), r.number(1), r.number(1)
        lengths = [0] + [r.number(1) for _ in range(opcode_base - 1)]
        tables = side.data[r.at:start]
        heads.append((version, sizes, minimum, most, is_statement, line_base, line_range, tables))
        r.at = start
        run(side, r, end, rows, minimum, is_statement, line_base, line_range, opcode_base, lengths)
        r.at = end
    return heads, rows


def run(side, r, end, rows, minimum, is_statement, line_base, line_range, opcode_base, lengths):
    def fresh():
        return {"section": None, "address": 0, "file": 1, "line": 1, "column": 0, "statement": is_statement, "flags": ()}

    s = fresh()

    def emit(ends=False):
        rows.append(((s["section"], s["address"]), s["file"], s["line"], s["column"], s["statement"], s["flags"], ends))
        s["flags"] = ()

    while r.at < end:
        op = r.number(1)
        if op >= opcode_base:
            s["address"] += (op - opcode_base) // line_range * minimum
            s["line"] += line_base + (op - opcode_base) % line_range
            emit()
        elif op == 0:
            size = r.unsigned()
            after = r.at + size
            extended = r.number(1)
            if extended == 1:
                emit(True)
                s = fresh()
            elif extended == 2:
                s["section"], s["address"] = side.address(r.at, size - 1)
            elif extended == 4:
                s["flags"] += (("discriminator", r.unsigned()),)
            r.at = after
        elif op == 1:
            emit()
        elif op == 2:
            s["address"] += r.unsigned() * minimum
        elif op == 3:
            s["line"] += r.signed()
        elif op == 4:
            s["file"] = r.unsigned()
        elif op == 5:
            s["column"] = r.unsigned()
        elif op == 6:
            s["statement"] ^= 1
        elif op == 8:
            s["address"] += (255 - opcode_base) // line_range * minimum
        elif op == 9:
            s["address"] += r.number(2)
        elif op == 12:
            s["flags"] += (("isa", r.unsigned()),)
        else:
            s["flags"] += ((op, *(r.unsigned() for _ in range(lengths[op]))),)


# --- call frames

def frames(pair, name, x, y):
    a, b = list(entries(name, x)), list(entries(name, y))
    if [e[0] for e in a] != [e[0] for e in b]:
        pair.fault(f"section {name}: {len(a)} entries have become {len(b)}, or others")
        return
    for (head, at, size, operations), (_, new_at, new_size, new) in zip(a, b):
        if at is None:
            continue
        expected = pair.maps.get(at[0], pair.identity)
        if at[0] != new_at[0] or not expected.length(at[1], size, new_at[1], new_size):
            pair.fault(f"section {name}: range {at} + {size} has become {new_at} + {new_size}")
        elif [o[1] for o in operations] != [o[1] for o in new] or not all(
                expected.has(at[1] + p[0], new_at[1] + q[0]) for p, q in zip(operations, new)):
            pair.fault(f"section {name}: operations of {at} changed")


def entries(name, side):
    r = Reader(side.data)
    is_eh = name == ".eh_frame"
    heads = {}
    while r.at < len(side.data):
        start = r.at
        length = r.number(4)
        if length == 0:
            continue
        at = r.at
        end = at + length
        # The relocation of a pointer to the head, where there is one, holds what the field does not.
        pointer = side.address(at, 4)[1]
        r.at = at + 4
        if pointer == (0 if is_eh else 0xffffffff) and at not in side.relocations:
            version = r.number(1)
            augmentation = bytes(iter(lambda: r.take(1)[0], 0))
            if version >= 4:
                r.take(2)
            factors = r.unsigned(), r.signed(), r.number(1) if version == 1 else r.unsigned()
            encoding, extra = 0, b""
            if augmentation.startswith(b"z"):
                extra = r.take(r.unsigned())
                inner = Reader(extra)
                for letter in augmentation[1:].decode():
                    if letter == "R":
                        encoding = inner.number(1)
                    elif letter == "L":
                        inner.number(1)
                    elif letter == "P":
                        inner.take({0: side.obj.word, 3: 4, 0xb: 4, 4: 8, 0xc: 8}[inner.number(1) & 15])
            heads[start] = encoding, augmentation, factors
            yield ("head", version, augmentation, factors, extra if encoding else b"", trimmed(side.data[r.at:end])), None, 0, []
        else:
            head = at - pointer if is_eh else pointer
            encoding, augmentation, (code_factor, _, _) = heads[head]
            size = {0: side.obj.word, 3: 4, 0xb: 4, 4: 8, 0xc: 8}[encoding & 15] if is_eh else side.obj.word
            address = side.address(r.at, size)
            r.at += size
            extent = r.number(size)
            if augmentation.startswith(b"z"):
                r.take(r.unsigned())
            yield ("entry", augmentation), address, extent, list(operations(r, end, code_factor, side.obj.word))
        r.at = end


def trimmed(raw):
    return raw.rstrip(b"\0")


def operations(r, end, factor, word):
    """(distance from the start, operation): advances are folded into the distances."""
    at = 0
    shapes = {0x05: "uu", 0x06: "u", 0x07: "u", 0x08: "u", 0x09: "uu", 0x0a: "", 0x0b: "", 0x0c: "uu", 0x0d: "u", 0x0e: "u", 0x0f: "b",
              0x10: "ub", 0x11: "us", 0x12: "us", 0x13: "s", 0x14: "uu", 0x15: "us", 0x16: "ub", 0x2d: "", 0x2e: "u", 0x2f: "uu"}
    while r.at < end:
        op = r.number(1)
        if op == 0:
            continue
        if op >> 6 == 1:
            at += (op & 63) * factor
        elif op in (2, 3, 4):
            at += r.number({2: 1, 3: 2, 4: 4}[op]) * factor
        elif op == 1:
            raise ValueError("an absolute location in a frame")
        elif op >> 6 == 2:
            yield at, (op, r.unsigned())
        elif op >> 6 == 3:
            yield at, (op,)
        else:
            yield at, (op, *(r.take(r.unsigned()) if s == "b" else r.signed() if s == "s" else r.unsigned() for s in shapes[op]))


# --- lists of ranges and locations

def lists(pair, name, x, y, base, tables, info):
    """Compares a section of lists; {plain offset: annotated offset} of what may be referred to."""
    if x.data == y.data and not x.relocations and base == (None, None):
        return {}
    cuts = [starts(pair, which, name, info) for which in (0, 1)]
    if len(cuts[0]) != len(cuts[1]):
        pair.fault(f"section {name}: {len(cuts[0])} lists are referred to, {len(cuts[1])} in the annotated object")
        return {}
    head = 12 if name.endswith("lists") else 0
    for cut, side in zip(cuts, (x, y)):
        count = int.from_bytes(side.data[8:12], "little") if head else 0
        offsets = [head + int.from_bytes(side.data[head + 4 * i:head + 4 * i + 4], "little") for i in range(count)]
        cut[:] = sorted({*cut, *offsets} - {head}) if offsets else sorted({*cut, head})   # the head is referred to, too
        cut.append(len(side.data))
    if head and x.data[4:head] != y.data[4:head]:
        pair.fault(f"section {name}: its head changed")
    for (a, a_end), (b, b_end) in zip(zip(cuts[0], cuts[0][1:]), zip(cuts[1], cuts[1][1:])):
        mine, other = list(items(name, x, a, a_end, base[0], tables[0])), list(items(name, y, b, b_end, base[1], tables[1]))
        if len(mine) != len(other) or not all(same_item(pair, p, q) for p, q in zip(mine, other)):
            if x.data[a:a_end] == y.data[b:b_end] and not any(a <= at < a_end for at in x.relocations):
                continue                              # views of locations: numbers, no addresses
            pair.fault(f"section {name}+0x{a:x}: the list changed")
            return {}
    return dict(zip(cuts[0], cuts[1]))


def starts(pair, which, name, info):
    obj = (pair.plain, pair.annotated)[which]
    if not info:
        return []
    return sorted({r.addend for r in obj.relocations(info[which])
                   if r.symbol.type == 3 and obj.sections[r.symbol.section].name == name})


def items(name, side, at, end, base, table):
    """Entries as tuples; an address is ("at", section, address)."""
    r = Reader(side.data, at)
    word = side.obj.word
    is_location = "loc" in name

    def address():
        place = side.address(r.at, word)
        r.at += word
        return ("at", *place)

    def relative(offset):
        return ("at", base[0], base[1] + offset) if base else ("at", None, offset)

    try:
        while r.at < end:
            if not name.endswith("lists"):
                first, second = address(), address()
                if first[1:] == second[1:] == (None, 0):
                    yield ("end",)
                    continue
                if first[1] is None and first[2] == (1 << 8 * word) - 1:
                    base = second[1:]
                    yield ("base", second)
                    continue
                if first[1] is None:
                    first, second = relative(first[2]), relative(second[2])
                yield ("range", first, second, r.take(r.number(2)) if is_location else b"")
                continue
            kind = r.number(1)
            if kind == 0:
                yield ("end",)
                continue
            kind_of = {1: "base index", 2: "indices", 3: "index length", 4: "pair", 5: "default", 6: "base", 7: "start end", 8: "start length", 9: "view"} \
                if is_location else {1: "base index", 2: "indices", 3: "index length", 4: "pair", 5: "base", 6: "start end", 7: "start length"}
            what = kind_of[kind]
            if what == "view":
                yield what, r.unsigned(), r.unsigned()
                continue
            if what in ("base", "base index"):
                place = address() if what == "base" else ("at", *table[r.unsigned()])
                base = place[1:]
                yield what, place
                continue
            if what == "pair":
                span = relative(r.unsigned()), relative(r.unsigned())
            elif what == "start end":
                span = address(), address()
            elif what == "start length":
                first = address()
                span = first, ("at", first[1], first[2] + r.unsigned())
            elif what == "default":
                span = ()
            elif what == "indices":
                span = ("at", *table[r.unsigned()]), ("at", *table[r.unsigned()])
            else:
                first = table[r.unsigned()]
                span = ("at", *first), ("at", first[0], first[1] + r.unsigned())
            yield what, *span, r.take(r.unsigned()) if is_location else b""
    except (IndexError, KeyError, ValueError) as error:
        yield ("unknown", str(error), side.data[at:end])


def same_item(pair, p, q):
    return len(p) == len(q) and all(
        same(pair, a[1:], b[1:]) if isinstance(a, tuple) and isinstance(b, tuple) else a == b for a, b in zip(p, q))


def aranges(pair, x, y):
    mine, other = list(ranges(x)), list(ranges(y))
    if len(mine) != len(other):
        pair.fault(f"section .debug_aranges: {len(mine)} ranges have become {len(other)}")
    for (a, size), (b, new_size) in zip(mine, other):
        expected = pair.maps.get(a[0], pair.identity)
        if a[0] != b[0] or not expected.length(a[1], size, b[1], new_size):
            pair.fault(f"section .debug_aranges: {a} + {size} has become {b} + {new_size}")


def ranges(side):
    r = Reader(side.data)
    word = side.obj.word
    while r.at < len(side.data):
        start = r.at
        end = r.number(4) + r.at
        r.take(8)
        r.at = start + -(-(r.at - start) // (2 * word)) * 2 * word
        while r.at < end:
            place = side.address(r.at, word)
            r.at += word
            yield place, r.number(word)


# --- everything else

def rest(pair, name, x, y, moved):
    """Sections of fixed layout: equal but for relocations, and for lengths of code, which follow the address that they count from."""
    if len(x.data) != len(y.data) or x.relocations.keys() != y.relocations.keys():
        pair.fault(f"section {name}: {len(x.data)} bytes, {len(x.relocations)} relocations have become {len(y.data)}, {len(y.relocations)}")
        return
    skip = set()
    for at, r in x.relocations.items():
        s = y.relocations[at]
        skip.update(range(at, at + elf.width(x.obj, r.type)))
        a, b = pair.target(r, 0, 0), pair.target(s, 1, 0)
        if a is None or b is None:
            fine = a is b and (r.type, r.symbol.name, r.addend) == (s.type, s.symbol.name, s.addend)
        elif a[0] in pair.maps:
            fine = r.type == s.type and same(pair, a, b)
        elif a[0][0] in moved:
            fine = a[0] == b[0] and moved[a[0][0]].get(a[1], a[1] if a[1] == b[1] else None) == b[1]
        else:
            fine = r.type == s.type and a == b
        if not fine:
            pair.fault(f"section {name}+0x{at:x}: refers to {pair.place(r, x.obj)}, in the annotated object to {pair.place(s, y.obj)}")
            return
    if x.data == y.data:
        return
    for at in [i for i in range(len(x.data)) if x.data[i] != y.data[i] and i not in skip]:
        if at not in skip and not is_length(pair, x, y, at, skip):
            pair.fault(f"section {name}+0x{at:x}: byte {x.data[at]:02x} has become {y.data[at]:02x}")
            return


def is_length(pair, x, y, at, skip):
    """Whether the number around a byte is the length of a range that the address before it begins. gas writes it in as many bytes as it needs."""
    for start in range(max(at - 4, 0), at + 1):
        before = x.relocations.get(start - x.obj.word)
        a = before and pair.target(before, 0, 0)
        if not a or a[0] not in pair.maps:
            continue
        (old, end), (new, new_end) = (unsigned_at(side, start) for side in (x, y))
        if end == new_end > at and pair.maps[a[0]].length(a[1], old, pair.target(y.relocations[start - x.obj.word], 1, 0)[1], new):
            skip.update(range(start, end))
            return True
    for size in 8, 4, 2, 1:
        for start in range(max(at - size + 1, 0), at + 1):
            before = x.relocations.get(start - x.obj.word)
            if before is None:
                if size == 4 and is_indexed(pair, x) and any(
                        m.is_length(*(int.from_bytes(side.data[start:start + 4], "little") for side in (x, y))) for m in pair.maps.values()):
                    skip.update(range(start, start + 4))
                    return True
                continue
            a, b = pair.target(before, 0, 0), pair.target(y.relocations[start - x.obj.word], 1, 0)
            old, new = (int.from_bytes(side.data[start:start + size], "little") for side in (x, y))
            if a and b and a[0] in pair.maps and pair.maps[a[0]].length(a[1], old, b[1], new):
                skip.update(range(start, start + size))
                return True
    return False


def unsigned_at(side, at):
    reader = Reader(side.data, at)
    return reader.unsigned(), reader.at


def is_indexed(pair, x):
    """With a table of addresses no relocation tells which address a length counts from."""
    return any(s.name == ".debug_addr" for s in x.obj.sections)
