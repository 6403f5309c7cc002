"""Every form of access, done by the processor itself, by a trap and by a thunk: the same registers, flags, memory and red zone."""
import random
import re
import struct

import check
from guest import END, Run, assemble

ROUNDS = 3
MEMORY = 256
NAMES = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", *(f"r{n}" for n in range(8, 16))]
SHORT = {8: lambda n: n, 4: lambda n: n + "d" if n[1].isdigit() else "e" + n[1:],
         2: lambda n: n + "w" if n[1].isdigit() else n[1:],
         1: lambda n: n + "b" if n[1].isdigit() else (n[1:] + "l" if n[2] in "ip" else n[1] + "l")}
SUFFIX = {1: "b", 2: "w", 4: "l", 8: "q"}
# Memory of three kinds: plain, the card's packet buffer, a page table.
PLAIN, DEVICE, TABLE = "plain", 0xfeb10000, "tables"


def templates():
    """(text with {m}, {r} and {s} registers, size, attributes)"""
    for size, suffix in SUFFIX.items():
        for op in "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp", "test", "mov", "xchg":
            yield f"{op}{suffix} {{r}}, {{m}}", size, ""
        for op in "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp", "mov":
            yield f"{op}{suffix} {{m}}, {{r}}", size, "read"
        for op in "add", "or", "adc", "sbb", "and", "sub", "xor", "cmp", "test", "mov":
            yield f"{op}{suffix} ${{i8}}, {{m}}", size, ""
            yield f"{op}{suffix} ${{i32}}, {{m}}", size, ""
        for op in "inc", "dec", "not", "neg":
            yield f"{op}{suffix} {{m}}", size, ""
        for op in "add", "or", "and", "xor", "sub", "adc", "sbb", "xadd", "cmpxchg":
            yield f"lock {op}{suffix} {{r}}, {{m}}", size, ""
        yield f"xadd{suffix} {{r}}, {{m}}", size, ""
        yield f"cmpxchg{suffix} {{r}}, {{m}}", size, "equal"
        yield f"movs{suffix}", size, "string"
        yield f"stos{suffix}", size, "string"
        yield f"lods{suffix}", size, "string"
        yield f"rep movs{suffix}", size, "string"
        yield f"rep stos{suffix}", size, "string"
        yield f"rep lods{suffix}", size, "string"
        if size > 1:
            for op in "bt", "bts", "btr", "btc":
                yield f"{op}{suffix} {{r}}, {{m}}", size, "bits"
                yield f"lock {op}{suffix} ${{i8}}, {{m}}" if op != "bt" else f"bt{suffix} ${{i8}}, {{m}}", size, ""
    for source, target in ((1, 2), (1, 4), (1, 8), (2, 4), (2, 8)):
        for op in "movz", "movs":
            yield f"{op}{SUFFIX[source]}{SUFFIX[target]} {{m}}, {{R{target}}}", source, "read"
    yield "movslq {m}, {R8}", 4, "read"
    yield "pushq {m}", 8, "stack"
    yield "popq {m}", 8, "stack"
    for high in "ah", "bh", "ch", "dh":
        yield f"movb %{high}, {{l}}", 1, ""
        yield f"movb {{l}}, %{high}", 1, "read"
        yield f"addb %{high}, {{l}}", 1, ""
        yield f"xchgb %{high}, {{l}}", 1, ""


class Case:
    """One instruction with what is in the registers before it."""

    def __init__(self, dice, number, template, size, kind):
        self.number, self.size, self.kind = number, size, kind
        low = NAMES[:7]
        legacy = "{l}" in template
        # Registers of addresses are none that the instruction computes with: they differ from memory to memory.
        accumulator = "cmpxchg" in template or re.match(r"mov[bwlq] ", template)
        self.base, self.index = dice.sample(["rsi", "rdi", "rbp"] if legacy else NAMES[1:] if accumulator else NAMES, 2)
        register = dice.choice(low[:4] if legacy else NAMES)
        if "cmpxchg" in template or kind == "bits":
            register = dice.choice([n for n in NAMES if n not in ("rax", self.base, self.index)])
        elif register == self.base and not (kind == "read" and template.startswith("mov") and "{R2}" not in template and size >= 4):
            register = "rdx" if self.base != "rdx" else "rbx"
        self.values = {n: dice.getrandbits(64) for n in NAMES}
        self.flags = 0x202 | dice.getrandbits(12) & 0x8d5
        self.at = dice.randrange(16, 72, 8)
        self.scale = dice.choice([1, 2, 4, 8])
        self.values[self.index] = 8 * dice.randrange(3)     # an entry of a page table is written as a whole
        if kind == "string":
            self.values.update(rsi=None, rdi=None, rcx=dice.randrange(1, 6))
            self.flags |= dice.choice([0, 0x400])
        if kind == "bits":
            self.values[register] = dice.randrange(-64, 256) & 2**64 - 1
        shape = dice.choice(["base", "displacement", "index", "absolute", "short"])
        self.memory = {
            "base": f"(%{self.base})", "displacement": f"0x{0x40:x}(%{self.base})", "index": f"0x10(%{self.base},%{self.index},{self.scale})",
            "absolute": None, "short": f"(%{SHORT[4](self.base)})",
        }[shape if kind != "stack" or shape != "short" else "base"]
        if shape == "absolute" and (not re.match(r"mov[bwlq] (\{r\}, \{m\}|\{m\}, \{r\})", template)):
            self.memory = f"(%{self.base})"
        if shape == "absolute" and self.memory is None:
            register = "rax"
            template = template.replace("mov", "movabs")
        # Names of eight-byte registers without the percent sign.
        sized = {f"R{n}": "%" + SHORT[n](register) for n in SHORT}
        immediate = dice.randrange(1, 128) if size == 1 else dice.randrange(-2**31, 2**31) if size > 2 else dice.randrange(-2**15, 2**15)
        self.fields = dict(r="%" + SHORT[size](register), i8=dice.randrange(0, 60), i32=immediate, **sized)
        self.template, self.legacy = template, legacy
        self.equal = kind == "equal" and dice.random() < 0.5
        # What the memory has at first.
        self.content = bytes(dice.getrandbits(8) for _ in range(MEMORY))

    def text(self, memory):
        where = self.memory or f"{memory}+{self.at}"
        return self.template.format(m=where, l=where, **self.fields)

    def state(self, memory):
        """Words for popf and pops, in the order of NAMES."""
        pointer = f"{memory}+{self.at}"
        words = [str(self.flags)]
        for name in NAMES:
            value = self.values[name]
            if value is None:
                words.append(f"{memory}+{96 + (16 if name == 'rdi' else 0)}")
            elif name == self.base and self.kind != "string":
                words.append(pointer)
            else:
                words.append(str(value))
        if self.equal and self.base != "rax":
            # The accumulator is what a plain base address holds.
            offset = self.at + (0x40 if "0x40" in self.memory else 0x10 + self.values[self.index] * self.scale if "," in self.memory else 0)
            words[1] = str(struct.unpack_from("<Q", self.content, offset)[0])
        return words


def program(cases):
    """Each case three times on each memory that it can use: plain; trapped; with a record."""
    text, data, records = [], [], []
    for case in cases:
        for variant, (memory, annotated) in enumerate(variants(case)):
            label = f"{case.number}_{variant}"
            data.append(f"state_{label}: .quad {', '.join(case.state(memory))}\ncontent_{label}: .byte {', '.join(map(str, case.content))}\n"
                        if variant == 0 else f"state_{label}: .quad {', '.join(case.state(memory))}\n")
            text.append(f"""
	mov ${memory}, %edi
	lea content_{case.number}_0(%rip), %rsi
	call fill
	lea state_{label}(%rip), %rsp
	popfq
	{' '.join(f'pop %{n};' for n in NAMES)}
	mov $stack, %rsp
site_{label}:
	{case.text(memory)}
	{'.nops 5' if annotated else ''}
end_{label}:
	mov %rsp, saved
	{' '.join(f'mov %{n}, saved+{8 + 8 * i};' for i, n in enumerate(NAMES))}
	mov $other, %rsp
	pushfq
	cld
	pop %rax
	mov %rax, saved+{8 + 8 * len(NAMES)}
	mov ${memory}, %esi
	call keep
""")
            if annotated:
                records.append(f"	.quad site_{label}, end_{label}\n")
    return f"""{END}
	.text
	.globl start
start:
	mov $other, %rsp
	mov $0xfe002000, %edi		/* the page table: one table of the lowest level, below three others */
	movq $table4, (%rdi)
{''.join(text)}
	end 0

fill:	mov ${MEMORY // 8}, %ecx	/* with a pattern in the stack and the red zone too */
1:	mov (%rsi), %rax
	mov %rax, (%rdi)
	add $8, %rsi
	add $8, %rdi
	dec %ecx
	jnz 1b
	mov $stack - 256, %edi
	mov ${512 // 8}, %ecx
	movabs $0x1122334455667788, %rax
	rep stosq
	ret
keep:	mov $saved + {16 + 8 * len(NAMES)}, %edi
	mov ${MEMORY // 8}, %ecx
	rep movsq
	mov $stack - 256, %esi
	mov ${512 // 8}, %ecx
	rep movsq
	mov $1, %eax
	mov $1, %edi
	mov $saved, %esi
	mov ${16 + 8 * len(NAMES) + MEMORY + 512}, %edx
	syscall
	ret

	.data
	.align 8
{''.join(data)}
	.align 4096
tables:	.skip 4096
table2:	.quad tables + 3
	.skip 4088
table3:	.quad table2 + 3
	.skip 4088
table4:	.quad table3 + 3
	.skip 4088
	.bss
	.align 4096
plain:	.skip 4096
saved:	.skip 4096
	.skip 4096
other:	.skip 4096
stack:	.skip 4096
	.section .afterburn.e1000, "", @progbits
	.align 8
{''.join(records)}
"""


def decode(block, memory, symbols):
    """What came of a case, addresses relative to the memory that it was."""
    base = memory if isinstance(memory, int) else symbols[memory]
    words = struct.unpack_from(f"<{2 + len(NAMES)}Q", block)
    flags = words[-1]
    values = [w - base + 2**40 if base <= w < base + 4096 else w for w in words[:-1]]
    return values, flags, block[8 * len(words):]


def mask(case):
    """Flags that the manual leaves undefined differ between processors' operations of other widths; those of AF after logic are the same."""
    return 0x801 | 0x4d4 if case.kind != "bits" and not re.match(r"(lock )?bt", case.template) else 0x401


def all(context):
    dice = random.Random(1976)
    cases = [Case(dice, number, *template) for number, template in enumerate(t for _ in range(ROUNDS) for t in templates())]
    path = assemble(context, "forms", program(cases))
    symbols = {name: int(value, 16) for value, _, name in (line.split() for line in check.run("nm", path).splitlines())}
    order = [(case, memory, annotated) for case in cases for memory, annotated in variants(case)]
    run = Run(context, path)
    size = 16 + 8 * len(NAMES) + MEMORY + 512
    if not check.equal("forms: the guest ends", (run.code, len(run.output)), (0, size * len(order))):
        print(run.errors[-2000:])
        return
    wrong, plain = [], None
    for number, (case, memory, annotated) in enumerate(order):
        values, flags, content = decode(run.output[number * size:(number + 1) * size], memory, symbols)
        got = values, flags & mask(case), content
        if memory == PLAIN:
            plain = got
        elif got != plain:
            parts = [name for name, a, b in zip(("registers", "flags", "memory"), got, plain) if a != b]
            detail = [(n, hex(a), hex(b)) for n, a, b in zip(["rsp", *NAMES], got[0], plain[0]) if a != b]
            wrong.append((case.text(str(memory)), memory if memory == TABLE else "device", "thunk" if annotated else "trap", parts, detail, hex(got[1]), hex(plain[1])))
    annotated = [(symbols[f"site_{case.number}_{variant}"]) for case in cases for variant, (_, yes) in enumerate(variants(case)) if yes]
    check.equal(f"forms: {len(order)} executions of {len(cases)} instructions, each by the processor, by traps and by thunks", wrong[:6], [])
    check.equal("forms: every annotated site was rewritten", sorted(run.sites), sorted(annotated))
    check.equal("forms: each was hit", [hex(site) for site, hits in run.sites.items() if not hits][:5], [])
    check.equal("forms: none of them trapped", len({r.ip for r in run.records if not r.hit} & set(annotated)), 0)
    # A trap and a hit of the same instruction on the same memory are the same access.
    kinds = {}
    for r in run.records:
        key = r.operation, r.size
        entry = kinds.setdefault(r.ip, {}).setdefault(key, [0, 0])
        entry[0] += r.elements if r.hit and not r.continued else not r.continued
        entry[1] += r.elements
    names = {value: name for name, value in symbols.items() if name.startswith("site_")}
    by_name = {names[ip]: entry for ip, entry in kinds.items() if ip in names}
    differ = [(case.text("m"), by_name.get(f"site_{case.number}_{v - 1}"), by_name.get(f"site_{case.number}_{v}"))
              for case in cases for v, (_, yes) in enumerate(variants(case)) if yes and by_name.get(f"site_{case.number}_{v - 1}") != by_name.get(f"site_{case.number}_{v}")]
    check.equal("forms: operations, sizes, executions and elements of traps and hits are the same", differ[:5], [])


def variants(case):
    memories = [(PLAIN, False), (DEVICE, False), (DEVICE, True)]
    writes = case.kind != "read" and not re.match(r"(cmp|test|bt[wlq] |pushq|\w* ?lods|lods)", case.template)
    return memories + ([(TABLE, False), (TABLE, True)] if writes and case.kind != "bits" else [])
