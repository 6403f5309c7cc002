"""Machine code by objdump: instructions of every executable section."""
import re
import subprocess
from collections import namedtuple

Instruction = namedtuple("Instruction", "address size bytes mnemonic operands is_nop")

LINE = re.compile(r"^ *([0-9a-f]+):\t([0-9a-f ]+)\t?(.*)$")
# What gas and compilers fill with. The lea and mov forms are i386's.
FILL = re.compile(r"^(?:(?:data16|cs|rex\S*|repz?|xacquire) )*(?:nop[wlq]?(?:\s|$)|xchg\s+%ax,%ax$|xchg\s+%eax,%eax$|pause_never|int3$"
                  r"|lea[lwq]?\s+(?:%cs:|%ds:)?(?:0x0)?\(%([er]si|[er]di),?(?:%[er]iz)?,?1?\),%\1$)")


def disassemble(path, obj):
    """{section index: [Instruction]} of the sections with code."""
    wanted = [s for s in obj.sections if s.flags & 4 and s.type == 1 and s.size]
    out = subprocess.run(["objdump", "-dzw", path], capture_output=True, text=True, errors="replace", check=True, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}).stdout
    result, current = {}, None
    for line in out.splitlines():
        if line.startswith("Disassembly of section "):
            current = result.setdefault(wanted[len(result)].index, [])
            if wanted[len(result) - 1].name != line[23:-1]:
                raise ValueError(f"{path}: objdump shows {line[23:-1]}, expected {wanted[len(result) - 1].name}")
            continue
        match = LINE.match(line)
        if not match or current is None:
            continue
        raw = bytes.fromhex(match.group(2).replace(" ", ""))
        words = match.group(3).split(None, 1)
        # Prefixes that stand before the name belong to it.
        text = match.group(3).strip()
        mnemonic = words[0] if words else ""
        operands = words[1] if len(words) > 1 else ""
        while mnemonic in ("lock", "rep", "repz", "repnz", "notrack", "bnd", "data16", "addr32", "cs", "ds", "es", "fs", "gs", "ss", "xacquire", "xrelease") and operands:
            second = operands.split(None, 1)
            mnemonic, operands = f"{mnemonic} {second[0]}", second[1] if len(second) > 1 else ""
        current.append(Instruction(int(match.group(1), 16), len(raw), raw, mnemonic, operands, bool(FILL.match(re.sub(r"\s+", " ", text)))))
    return result
