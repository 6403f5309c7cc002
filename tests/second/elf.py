"""Relocatable ELF objects of x86, little endian: headers, symbols, relocations. Written for the checker alone, on purpose: nothing of
Reheat's own reader decides whether Reheat's objects are right."""
import struct
import zlib
from collections import namedtuple

Section = namedtuple("Section", "index name type flags size link info align entsize data")
Symbol = namedtuple("Symbol", "index name type bind other section value size")
Relocation = namedtuple("Relocation", "offset type symbol addend")

PROGBITS, SYMTAB, STRTAB, RELA, NOBITS, REL, GROUP = 1, 2, 3, 4, 8, 9, 17
ALLOC, EXEC, COMPRESSED = 2, 4, 0x800


class Object:
    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.data = data = file.read()
        if data[:4] != b"\x7fELF" or data[4] not in (1, 2) or data[5] != 1:
            raise ValueError(f"{path}: no little-endian ELF file")
        self.is64 = data[4] == 2
        self.word = 8 if self.is64 else 4
        header = struct.unpack_from("<HHIQQQIHHHHHH" if self.is64 else "<HHIIIIIHHHHHH", data, 16)
        self.type, self.machine, offset, count, names = header[0], header[1], header[5], header[11], header[12]
        if self.type != 1 or self.machine not in (3, 62):
            raise ValueError(f"{path}: no x86 object (type {self.type}, machine {self.machine})")
        shape = struct.Struct("<IIQQQQIIQQ" if self.is64 else "<IIIIIIIIII")
        raw = [shape.unpack_from(data, offset + i * shape.size) for i in range(count or 1)]
        if count == 0 or names == 0xffff:
            count, names = count or raw[0][5], raw[0][6] if names == 0xffff else names
            raw = [shape.unpack_from(data, offset + i * shape.size) for i in range(count)]
        strings = self._bytes(raw[names])
        self.sections = [
            Section(i, text(strings, r[0]), r[1], r[2], r[5], r[6], r[7], r[8], r[9], b"" if r[1] in (0, NOBITS) else self._bytes(r))
            for i, r in enumerate(raw)]
        self.sections = [self._inflated(s) if s.flags & COMPRESSED else s for s in self.sections]
        self.symbols = self._symbols()
        self._relocations = {s.info: s for s in self.sections if s.type in (RELA, REL)}

    def _inflated(self, section):
        data = zlib.decompress(section.data[24 if self.is64 else 12:])
        return section._replace(data=data, size=len(data), flags=section.flags & ~COMPRESSED)

    def _bytes(self, raw):
        return self.data[raw[4]:raw[4] + raw[5]]

    def _symbols(self):
        table = next((s for s in self.sections if s.type == SYMTAB), None)
        if not table:
            return []
        strings = self.sections[table.link].data
        extended = next((s.data for s in self.sections if s.type == 18), b"")
        shape = struct.Struct("<IBBHQQ" if self.is64 else "<IIIBBH")
        symbols = []
        for i, r in enumerate(shape.iter_unpack(table.data)):
            name, info, other, section, value, size = r if self.is64 else (r[0], r[3], r[4], r[5], r[1], r[2])
            if section == 0xffff:
                section = struct.unpack_from("<I", extended, 4 * i)[0]
            symbols.append(Symbol(i, text(strings, name), info & 15, info >> 4, other, section, value, size))
        return symbols

    def relocations(self, section):
        """Of a section, by offset. Without explicit addends (i386) that in the field is taken."""
        holder = self._relocations.get(section.index)
        if not holder:
            return []
        result = []
        if holder.type == RELA:
            for offset, info, addend in struct.iter_unpack("<QQq" if self.is64 else "<IIi", holder.data):
                kind, symbol = (info & 0xffffffff, info >> 32) if self.is64 else (info & 0xff, info >> 8)
                result.append(Relocation(offset, kind, self.symbols[symbol], addend))
        else:
            for offset, info in struct.iter_unpack("<II", holder.data):
                width = {20: 2, 21: 2, 22: 1, 23: 1}.get(info & 0xff, 4)
                addend = int.from_bytes(section.data[offset:offset + width], "little", signed=True)
                result.append(Relocation(offset, info & 0xff, self.symbols[info >> 8], addend))
        return sorted(result, key=lambda r: r.offset)

    @property
    def has_addends(self):
        return self.is64

    def group_of(self, section):
        """The signature of the COMDAT group that holds a section."""
        for group in self.sections:
            if group.type == GROUP and section.index in [w for (w,) in struct.iter_unpack("<I", group.data)][1:]:
                return self.symbols[group.info].name or self.sections[self.symbols[group.info].section].name
        return ""


def text(strings, offset):
    return strings[offset:strings.index(b"\0", offset)].decode(errors="surrogateescape") if offset < len(strings) else ""


PC_RELATIVE = {62: {2, 4, 9, 13, 15, 19, 20, 22, 24, 26, 41, 42}, 3: {2, 4, 10, 21, 23}}
FIELD = {62: {1: 8, 24: 8, 12: 2, 13: 2, 14: 1, 15: 1}, 3: {20: 2, 21: 2, 22: 1, 23: 1}}


def width(obj, kind):
    return FIELD[obj.machine].get(kind, 4)
