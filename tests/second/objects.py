"""The checker itself: it accepts what reheat-as makes, and finds each single byte that should not differ."""
import os
import random
import struct
import subprocess

import check
import code
import elf
import lists
from pair import Pair

SOURCE = """
#include <stdint.h>
static int seen;
__attribute__((noinline)) static int step(volatile int *p) { return *p + seen; }
int choose(int x, volatile int *p)
{
	switch (x) {
	case 0: *p = 1; return 3;
	case 1: return 7;
	case 2: *p = 5; return 9;
	case 3: return *p;
	case 4: return 11;
	case 5: *p = 6; return 2;
	case 6: return 4;
	}
	return 0;
}
void fill(volatile uint32_t *p, int n) { for (int i = 0; i < n; i++) { p[i] = i; p[i + 1] |= 4; } seen = n; }
int twice(volatile int *p) { __atomic_or_fetch((int *)p, 4, 5); return step(p) + step(p + 1); }
void *table[] = { (void *)choose, (char *)twice + 4 };
"""
FLAGS = ["-O2 -g", "-O0 -g", "-Os -g", "-O3 -g -fPIC", "-O2 -fno-pie -mcmodel=kernel -g", "-O2 -ffunction-sections", "-O2 -g -gz", "-O2 -g -gdwarf-4",
         "-O2 -g -m32 -fno-pie", "-O2 -g -m32 -fPIC"]
MUTATIONS = 150


def all(context):
    here = context.new("objects", create=True)
    source, plain, annotated, path = (os.path.join(here, n) for n in ("unit.c", "plain.o", "annotated.o", "list"))
    with open(source, "w") as file:
        file.write(SOURCE)
    for policy in "thunk", "inline":
        for flags in FLAGS:
            for cc in ("gcc", "clang-14 -fno-integrated-as"):
                pair = build(context, here, cc, flags, policy)
                if pair is None:
                    continue
                faults = pair.check()
                check.ok(f"{cc} {flags}, {policy}: accepted, {pair.records} records", not faults and pair.records >= 2, faults[:3])
    build(context, here, "gcc", "-O2 -g", "thunk")
    mutate(plain, annotated)
    removed(plain, annotated, here)
    by_hand(here)


def build(context, here, cc, flags, policy):
    plain, annotated = os.path.join(here, "plain.o"), os.path.join(here, "annotated.o")
    command = [*cc.split(), *flags.split(), "-c", "unit.c", "-o"]
    library = os.path.join(context.prefix, "lib/reheat")
    if subprocess.run([*command, plain], cwd=here, capture_output=True).returncode:
        return None
    obj = elf.Object(plain)
    units = {"unit.c": lists.sites(obj, plain, 9, sections=(".text", ".text."))}
    lists.write(os.path.join(here, "list"), units, arch="x86-64" if obj.is64 else "i386")
    environment = {**os.environ, "COMPILER_PATH": library, "REHEAT_ANNOTATIONS": os.path.join(here, "list"), "REHEAT_POLICY": policy}
    done = subprocess.run([*command, annotated], cwd=here, env=environment, capture_output=True, text=True)
    if done.returncode or done.stderr:
        check.ok(f"{cc} {flags}: compiles without a word", False, done.stderr[-500:])
        return None
    return Pair(plain, annotated, "unit.o")


def mutate(plain, annotated):
    """One bit of what an instruction, a datum, a relocation or a record consists of."""
    obj = elf.Object(annotated)
    data = obj.data
    listing = code.disassemble(annotated, obj)
    places = []
    for s in obj.sections:
        fields = {r.offset + i for r in obj.relocations(s) for i in range(8)}   # what a relocation overwrites
        header = section_offset(obj, s)
        if s.index in listing:
            places += [(s.name, header + x.address + i) for x in listing[s.index] if not x.is_nop for i in range(x.size)]
        elif s.name in (".rodata", ".data") or s.name.startswith((".debug_afterburn", ".rela.debug_afterburn", ".rela.text", ".rela.rodata", ".rela.data", ".eh_frame")):
            places += [(s.name, header + i) for i in range(s.size) if i not in fields]
    rng = random.Random(7)
    found = missed = 0
    wrong = []
    for name, at in rng.sample(places, min(MUTATIONS, len(places))):
        bad = bytearray(data)
        bad[at] ^= 1 << rng.randrange(8)
        with open(annotated + ".bad", "wb") as file:
            file.write(bad)
        try:
            faults = Pair(plain, annotated + ".bad").check()
        except Exception as error:
            faults = [str(error)]
        if faults:
            found += 1
        else:
            missed += 1
            wrong.append(f"{name}+0x{at - section_offset(obj, next(s for s in obj.sections if s.name == name)):x}")
    check.ok(f"{found + missed} objects with one bit changed: all found", missed == 0, wrong[:8])


def section_offset(obj, section):
    header = struct.unpack_from("<Q" if obj.is64 else "<I", obj.data, 40 if obj.is64 else 32)[0]
    size = 64 if obj.is64 else 40
    return struct.unpack_from("<Q" if obj.is64 else "<I", obj.data, header + section.index * size + (24 if obj.is64 else 16))[0]


def removed(plain, annotated, here):
    for name, command in (("the records of a target", ["objcopy", "-R", ".debug_afterburn.lapic", "-R", ".rela.debug_afterburn.lapic"]),
                          ("a data section", ["objcopy", "-R", ".data", "-R", ".rela.data"]),
                          ("a section more", ["objcopy", "--add-section", f".more={plain}"])):
        bad = os.path.join(here, "bad.o")
        subprocess.run([*command, annotated, bad], check=True, capture_output=True)
        check.ok(f"{name}: found", Pair(plain, bad).check())


def by_hand(here):
    """Differences that an assembler's slip would make."""
    def assemble(name, text):
        path = os.path.join(here, name)
        subprocess.run(["as", "-o", path, "-"], input=text, text=True, check=True)
        return path

    record = ' .section .debug_afterburn.x,"",@progbits\n .balign 8\n .quad 1b,2b\n .text\n'
    body = " .globl f\n .type f,@function\nf: {0}movl %eax,(%rdi)\n{1} jmp 3f\n xorl %eax,%eax\n3: ret\n .size f,.-f\n"
    plain = assemble("hand.o", body.format("", ""))
    good = assemble("good.o", body.format("1: ", " nopl (%rax)\n2:\n" + record))
    check.equal("by hand: what is right", Pair(plain, good).check(), [])
    for name, text in (
            ("padding without a record", body.format("", " nopl (%rax)\n")),
            ("a record that ends before its padding", body.format("1: ", "2: nopl (%rax)\n" + record)),
            ("a record of two instructions", body.format("1: ", record.replace(".quad 1b,2b", ".quad 1b,3f"))),
            ("padding that is no NOP", body.format("1: ", " leal (%rax),%eax\n2:\n" + record)),
            ("padding in front of the instruction", body.format("1: nopl (%rax)\n ", "2:\n" + record)),
            ("a record of an instruction's middle", body.format("1: ", "2:\n" + record.replace("1b,2b", "1b+1,2b"))),
            ("a branch to another place", body.format("1: ", " nopl (%rax)\n2:\n" + record).replace("jmp 3f", "jmp 3f+1")),
            ("another register", body.format("1: ", " nopl (%rax)\n2:\n" + record).replace("%eax,(%rdi)", "%edx,(%rdi)")),
            ("an instruction less", body.format("1: ", " nopl (%rax)\n2:\n" + record).replace(" xorl %eax,%eax\n", "")),
            ("a symbol of another size", body.format("1: ", " nopl (%rax)\n2:\n" + record).replace(",.-f", ",.-f-1"))):
        check.ok(f"by hand: {name}: found", Pair(plain, assemble("bad.o", text)).check())
