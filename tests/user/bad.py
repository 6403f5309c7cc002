"""Records that must not be believed, programs that cannot be run, guests that do what cannot be done."""
import os
import re
import subprocess

import check
from guest import END, Run, assemble

# Each site is of its own; the label before the colon is what its record names, the text after # the reason it is refused for.
CODE = END + """
	.text
	.globl start
start:	lea stack(%rip), %rsp
	mov $0xfed000f0, %ebx
	mov $0xfeb10000, %r8d
	mov $21, %esi
	mov %esi, %ecx

good:	mov (%rbx), %eax
	.nops 3
good_end:
	jmp 1f
hole:	mov (%rbx), %eax			# a jump leads into it
	.nops 6
hole_end:
1:	cmp %esi, %esi
	jne hole + 2
	jmp 2f
long_hole:
	mov %eax, (%r8)				# a jump leads into it
	.nops 6
long_hole_end:
2:	jrcxz .
	jmp after
	.byte 0xe8				# call long_hole + 4, as bytes
	.long long_hole + 4 - . - 4
	.globl after
after:	add $0, %eax

short:	mov (%rbx), %eax			# too short
	nop
short_end:
two:	mov (%rbx), %eax			# more than one
	mov (%rbx), %ecx
	nop
two_end:
cut:	movl $0x12345678, (%r8)			# no instruction that is known
cut_end = . - 2
middle_before:
	movabs $0x9090909090038b90, %rax	# of this the middle is a load
middle = middle_before + 3
middle_end = middle_before + 10
aside:	mov (%rbx), %eax			# an address in it stands in memory
	.nops 6
aside_end:
named:	mov (%rbx), %eax			# a symbol names a place in it
	nop
named_inside:
	.nops 6
named_end:
leaned:	mov (%rbx), %eax			# an instruction names an address in it
	.nops 6
leaned_end:
	lea leaned + 3(%rip), %rcx
constant:
	mov (%rbx), %eax			# an instruction has an address in it
	.nops 6
constant_end:
	mov $constant + 5, %ecx
wide_constant:
	mov (%rbx), %eax			# an instruction has an address in it
	.nops 6
wide_constant_end:
	movabs $wide_constant + 5, %rdx
packed:	mov (%rbx), %eax			# an address in it stands in memory, at an odd place
	.nops 6
packed_end:
last:	add %rcx, (%r8)
	.nops 3
last_end:
	jmp *ending
vector:	movups (%r8), %xmm0			# not an instruction that the wedge can do
	.nops 5
vector_end:
nothing:
	lea (%rbx), %rax			# not an instruction that the wedge can do
	.nops 5
nothing_end:
segment:
	.byte 0x64
	mov (%rbx), %eax			# addresses by fs
	.nops 5
segment_end:
	.size start, . - start
	.type start, @function

	.type blind, @function
blind:	.byte 0x06, 0x06			# the code around it cannot be decoded
in_blind:
	mov (%rbx), %eax
	.nops 5
in_blind_end:
	.size blind, . - blind
over:	end 7

	.data
	.align 8
ending:	.quad over
	.quad aside + 4
data:	.quad 0x9090909090038b
	.byte 1
	.quad packed + 2
	.bss
	.skip 4096
stack:
	.section .afterburn.hpet, "", @progbits
	.align 8
"""
# (first, last, part of the reason or None); the order in the section is another than that of addresses
SITES = [("last", "last_end", None), ("good", "good_end", None), ("hole", "hole_end", "a jump leads into it"),
         ("long_hole", "long_hole_end", "a jump leads into it"), ("short", "short_end", "too short"), ("two", "two_end", "more than one instruction"),
         ("cut", "cut_end", "no instruction that is known"), ("middle", "middle_end", "not one of the code around it"),
         ("aside", "aside_end", "an address in it stands in memory"), ("named", "named_end", "a symbol names a place in it"),
         ("leaned", "leaned_end", "an instruction names an address in it"), ("constant", "constant_end", "an address in it as a constant"),
         ("wide_constant", "wide_constant_end", "an address in it as a constant"), ("packed", "packed_end", "an address in it stands in memory"),
         ("vector", "vector_end", "not an instruction that the wedge can do"), ("nothing", "nothing_end", "not an instruction that the wedge can do"),
         ("segment", "segment_end", "by fs or gs"), ("in_blind", "in_blind_end", "cannot be decoded")]
# Records that are none: (words, the address that the report has, reason)
NONE = [("good_end, good", "good_end", "an end behind the start"), ("after, after", "after", "an end behind the start"), ("start, start + 65", "start", "at most 64 bytes"),
        ("data, data + 7", "data", "not within a section of code"), ("0xfed00000, 0xfed00008", 0xfed00000, "not within a section of code"),
        ("0xffffffffffffff00, 8", 0xffffffffffffff00, "an end behind the start"), ("good + 2, good_end", "good + 2", "overlaps"), ("good, good_end + 1", "good", "overlaps")]


def records():
    rows = [f"	.quad {start}, {end}\n" for start, end, _ in SITES] + [f"	.quad {words}\n" for words, _, _ in NONE]
    return "".join(rows) + "	.quad 0, 0\n" + """
	.section .afterburn, "", @progbits
	.quad after, over
	.section .afterburn.selftest, "", @progbits
	.quad 1, 2, 3
	.section .afterburn.odd, "", @progbits
	.quad good
"""


def sites(context):
    path = assemble(context, "hostile", CODE.replace("#", "//") + records())
    at = {name: int(value, 16) for value, _, name in (line.split() for line in check.run("nm", path).splitlines())}
    run = Run(context, path)
    check.equal("hostile records: the guest does what it does without them", run.code, Run(context, path, "--no-rewrite").code)
    wanted = {at[start] for start, _, reason in SITES if reason is None}
    check.equal("hostile records: the good sites are rewritten, and hit", run.sites, {site: 1 for site in wanted})
    for start, _, reason in SITES:
        if reason:
            check.ok(f"hostile records: {start} is refused: {reason}", reason in run.refused.get(at[start], ""), run.refused.get(at[start]))
    for words, address, reason in NONE:
        value = address if isinstance(address, int) else eval(address, {}, at)
        lines = [line for line in open(context.path("session.report")) if line.startswith(f"0x{value:x}-")]
        check.ok(f"hostile records: {words} is refused: {reason}", any(reason in line for line in lines), lines)
    check.ok("hostile records: class 1 is not this wedge's", any("class 1" in reason or "64 bytes" in reason for reason in run.refused.values()))
    check.ok("hostile records: a section that is no whole number of records is told", ".afterburn.odd is no whole number" in run.errors, run.errors)
    check.ok("hostile records: what is refused traps", {at[name] for name in ("short", "two", "aside", "named", "leaned", "constant")} <= {r.ip for r in run.records if not r.hit}, run.records)


def entry(context):
    """A program that begins in the middle of a site, and has no symbol that says so."""
    path = assemble(context, "entered", END + """	.globl start
first:	mov (%rbx), %eax
start:	.nops 6
first_end:	end 9
	.section .afterburn.hpet, "", @progbits
	.quad first, first_end
""")
    first = int(next(line.split()[0] for line in check.run("nm", path).splitlines() if line.endswith(" first")), 16)
    check.run("strip", path)
    run = Run(context, path)
    check.equal("a program that begins in a site", (run.code, run.sites, run.refused.get(first)), (9, {}, "the program begins in it"))


def refused(context, name, program, wanted, code=3, options=()):
    run = Run(context, program, *options, name="refused")
    check.ok(f"{name}: told", run.code == code and wanted in run.errors, (run.code, run.errors[-300:]))
    return run


def programs(context):
    trivial = END + "	.globl start\nstart:	end 0\n"
    good = assemble(context, "good", trivial)
    check.equal("a guest that does nothing but end", Run(context, good).code, 0)
    source = context.path("good.S")
    for name, flags, wanted in (("a position-independent program", ["-static-pie", "-fpie"], "link it with -static -no-pie"),
                                ("a program of 32 bits", ["-m32", "-static", "-no-pie"], "not a 64-bit x86 program"),
                                ("a program too high", ["-static", "-no-pie", "-Wl,-Ttext-segment=0x70000000"], "above 0x60000000"),
                                ("a program too low", ["-static", "-no-pie", "-Wl,-Ttext-segment=0x1000"], "between 0x10000 and 0x60000000")):
        path = context.path("wrong")
        text = source
        if "-m32" in flags:
            text = context.path("small.S")
            with open(text, "w") as file:
                file.write(".globl start\nstart: ret\n")
        check.run("gcc", "-nostdlib", "-Wl,-e,start", *flags, "-o", path, text)
        refused(context, name, path, wanted)
    empty = context.path("empty")
    open(empty, "w").close()
    refused(context, "an empty file", empty, "not an ELF file")
    refused(context, "no file", context.path("none"), "No such file")
    refused(context, "a directory", context.directory, "cannot be read")
    whole = open(good, "rb").read()
    for cut in range(1, len(whole), len(whole) // 37):
        with open(empty, "wb") as file:
            file.write(whole[:cut])
        run = Run(context, empty, name="refused")
        check.ok(f"a program cut off at {cut} is refused, or still whole where it counts", run.code in (0, 3), (run.code, run.errors[-200:]))
    stripped = context.path("stripped")
    check.run("objcopy", "--strip-section-headers", good, stripped) if "strip-section-headers" in check.run("objcopy", "--help") else check.run("strip", "-o", stripped, good)
    check.equal("a program without symbols runs", Run(context, stripped).code, 0)

    for name, body, wanted in (("a vector access to a device", "mov $0xfeb10000, %ebx\n movups (%rbx), %xmm0", "cannot emulate the instruction at"),
                               ("an access where nothing is", "movb $0, 0x500000", "neither a device nor memory"),
                               ("a store to its own code", "movb $0, start", "neither a device nor memory"),
                               ("a jump to nowhere", "mov $0xfed00000, %eax\n jmp *%rax", "runs where there is no code"),
                               ("a privileged instruction", "cli", "a trap that no memory access made"),
                               ("an invalid instruction", "ud2", "a trap that no memory access made"),
                               ("a computed jump into a site", "mov $0xfed00000, %ebx\n lea 1f(%rip), %rax\n add $5, %rax\n jmp *%rax\n1: mov (%rbx), %eax\n .nops 5\n2: "
                                ".pushsection .afterburn.hpet, \"\", @progbits\n .quad 1b, 2b\n .popsection", "a trap that no memory access made"),
                               ("an access across two devices' edge", "mov $0xfe000ffc, %ebx\n mov (%rbx), %rax", "neither memory nor a device")):
        path = assemble(context, "does", END + f"	.globl start\nstart:	{body}\n	end 0\n")
        run = refused(context, name, path, wanted, code=1)
        check.equal(f"{name}: the session is closed", run.counters.get("open"), 0)


def command_lines(context):
    good = context.path("good")
    for arguments, wanted in (([], "--session DIR is missing"), (["--session", "x"], "PROGRAM is missing"), (["--session", "x", "a", "b"], "found also b"),
                              (["--session", "x", "--ring-records", "12", "a"], "a power of two up to 268435456, not 12"), (["--wrong", "a"], "wrong command line"),
                              (["--session", "x", "--guest", "a\nb", "p"], "a name in one line")):
        done = subprocess.run([context.wedge, *arguments], capture_output=True, text=True)
        check.ok(f"reheat-user {' '.join(arguments)!r}: a wrong command line", done.returncode == 2 and wanted in done.stderr, done)
    done = subprocess.run([context.wedge, "--help"], capture_output=True, text=True)
    check.ok("--help", done.returncode == 0 and "usage: reheat-user --session DIR" in done.stdout and not done.stderr)
    session = context.path("taken")
    check.equal("a session", subprocess.run([context.wedge, "--session", session, good], capture_output=True).returncode, 0)
    done = subprocess.run([context.wedge, "--session", session, good], capture_output=True, text=True)
    check.ok("the directory of another session is refused", done.returncode == 3 and "holds another session" in done.stderr, done)
    info = open(os.path.join(session, "wedge.info")).read()
    check.ok("wedge.info", re.match(r"kind user\nversion 1\nguest guest\n", info) and "\ntarget hpet\n" in info and "\ninside 0x1" in info, info)


def all(context):
    sites(context)
    entry(context)
    programs(context)
    command_lines(context)
