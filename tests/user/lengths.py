"""The wedge's own lengths of instructions, beside objdump's, over programs that are here anyway."""
import os
import re
import shutil
import subprocess

import check

LINE = re.compile(r"^\s*[0-9a-f]+:\t((?:[0-9a-f]{2} )+)\s*(?:\t(.*))?$")
MOST = 400_000


def instructions(path):
    """Bytes and text of each different instruction."""
    found = {}
    dump = subprocess.Popen(["objdump", "-d", "-w", "-z", "--insn-width=15", path], stdout=subprocess.PIPE, text=True, errors="replace")
    for line in dump.stdout:
        match = LINE.match(line)
        if match and match.group(2) and "(bad)" not in match.group(2) and not match.group(2).startswith("."):
            found.setdefault(match.group(1).replace(" ", ""), match.group(2))
    dump.wait()
    return found


def all(context):
    libc = check.run("gcc", "-print-file-name=libc.so.6").strip()
    found = {}
    for path in (libc, *(os.path.realpath(shutil.which(tool)) for tool in ("gcc", "ld", "python3"))):
        found.update(instructions(path))
    items = list(found.items())[:MOST]
    # The bytes behind an instruction must not matter.
    answers = subprocess.run([os.path.join(context.filters, "length-filter")], input="".join(code + "f3" * 15 + "\n" for code, _ in items),
                             capture_output=True, text=True, check=True).stdout.splitlines()
    wrong, unknown, nops = [], 0, []
    for (code, text), answer in zip(items, answers):
        length, _, nop = answer.partition(" ")
        unknown += length == "0"
        # Objdump puts a prefix that changes nothing on a line of its own.
        if length not in ("0", str(len(code) // 2)) and not re.fullmatch(r"(rex\S*|data16|addr32|lock|repz?|repnz|[cdefgs]s|notrack|bnd)( (rex\S*|data16|addr32|cs|ds))*", text):
            wrong.append((code, text, length))
        is_nop = re.fullmatch(r"((data16|cs|rex\S*) )*(nop[wl]?( .*)?|xchg +%ax,%ax)", text) is not None
        if bool(nop) != is_nop and length != "0":
            nops.append((code, text, nop))
    check.ok(f"lengths of {len(items)} different instructions are objdump's", len(items) > 50_000 and not wrong, (len(items), wrong[:5]))
    check.ok(f"{unknown} of them are none that the wedge knows: fewer than one of a thousand", unknown < len(items) / 1000, unknown)
    check.equal("what is padding", nops[:5], [])
    cut = subprocess.run([os.path.join(context.filters, "length-filter")], input="".join(code[:-2] + "\n" for code, _ in items if len(code) > 2),
                         capture_output=True, text=True, check=True).stdout.splitlines()
    whole = [code for (code, _), answer in zip([i for i in items if len(i[0]) > 2], cut) if answer.split()[0] == str(len(code) // 2)]
    check.equal("an instruction that is cut off has no length beyond the end", whole[:5], [])
