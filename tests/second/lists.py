"""Annotation lists for tests, by hand's format: memory accesses that objdump shows in a build's objects."""
import os
import re

import code
import elf

MOVE = re.compile(r"^(?:%([a-z0-9]+),(-?0x[0-9a-f]+)?\(%([a-z0-9]+)\)|(-?0x[0-9a-f]+)?\(%([a-z0-9]+)\),%([a-z0-9]+))$")
WIDE = {"q": 8, "l": 4}
STACK = {"rsp", "rbp", "esp", "ebp"}


def size_of(register, is64):
    if register.startswith("e") or register.endswith("d"):
        return 4
    return 8 if is64 and register.startswith("r") and not register.endswith(("w", "b")) else 0


def functions(obj, path):
    """(function, [(ordinal, Instruction)]): as a list counts, without NOPs and what is patched at run time."""
    listing = code.disassemble(path, obj)
    patched = {}
    for table in obj.sections:
        if table.name in ("__mcount_loc", "__jump_table"):
            for r in obj.relocations(table)[::1 if table.name == "__mcount_loc" else 3]:
                patched.setdefault(r.symbol.section, set()).add(r.symbol.value + r.addend)
    fentry = {(s.index, r.offset - 1) for s in obj.sections if s.index in listing for r in obj.relocations(s) if r.symbol.name == "__fentry__"}
    for symbol in sorted(obj.symbols, key=lambda s: (s.section, s.value)):
        if symbol.type != 2 or symbol.section not in listing or not symbol.size:
            continue
        section = symbol.section
        body = [x for x in listing[section] if symbol.value <= x.address < symbol.value + symbol.size and not x.is_nop
                and x.address not in patched.get(section, ()) and (section, x.address) not in fentry]
        yield symbol, list(enumerate(body))


def sites(obj, path, most=3, sections=(".text",)):
    """{function: ["ordinal access", …]} of a function's first plain moves from or to memory."""
    found = {}
    for symbol, body in functions(obj, path):
        name = obj.sections[symbol.section].name
        if not (name in sections or ".text." in sections and name.startswith(".text.")) or "." in symbol.name:
            continue
        for ordinal, x in body:
            match = MOVE.match(x.operands) if x.mnemonic == "mov" and "(" in x.operands else None
            if not match:
                continue
            is_store = match.group(1) is not None
            register, base = (match.group(1), match.group(3)) if is_store else (match.group(6), match.group(5))
            size = size_of(register, obj.is64)
            if size and base not in STACK and len(found.get(symbol.name, [])) < most:
                found.setdefault(symbol.name, []).append(f"{ordinal} {'write' if is_store else 'read'}:{size}:{'lapic' if is_store else 'hpet'}")
    return found


def write(path, units, policy="padding=thunk class1=no", arch="x86-64"):
    """A list of {unit: {function: [site, …]}}; the number of its sites."""
    count = 0
    with open(path, "w") as file:
        file.write(f"reheat-annotations 1.0\nby-hand\narch {arch}\npolicy {policy}\n")
        for unit in sorted(units):
            file.write(f"unit {unit.replace(' ', chr(92) + 'x20')}\n")
            for function in sorted(units[unit]):
                file.write(f"function {function} *\n")
                for site in units[unit][function]:
                    file.write(f"  allow {site}\n")
                    count += 1
    return count


def kernel(tree, most_units, most_sites=3, under=("kernel", "mm", "drivers", "arch/x86/kernel", "arch/x86/mm", "fs", "lib", "net", "block", "init", "security")):
    """Units of a kernel tree, evenly chosen."""
    paths = []
    for top in under:
        for directory, _, files in os.walk(os.path.join(tree, top)):
            paths += [os.path.join(directory, f) for f in files if f.endswith(".o") and not f.startswith(".") and os.path.exists(os.path.join(directory, f[:-2] + ".c"))]
    paths = sorted(p for p in paths if "/vdso/" not in p and "/libstub/" not in p and "/realmode/" not in p)
    step = max(len(paths) // most_units, 1)
    units = {}
    for path in paths[::step]:
        try:
            found = sites(elf.Object(path), path, most_sites)
        except ValueError:
            continue
        if found:
            units[os.path.relpath(path, tree)[:-2] + ".c"] = found
    return units
