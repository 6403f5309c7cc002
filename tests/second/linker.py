"""The stand-in for ld: records get their final names, in final links alone, without a warning."""
import os
import subprocess
import time

import check

CODE = """ .text
 .globl {name}
 .type {name},@function
{name}:
.Ls: movl %eax,(%rdi)
.Le: ret
 .size {name},.-{name}
 .section .debug_afterburn.lapic,"",@progbits
 .balign 8
 .quad .Ls,.Le
 .section .debug_afterburn,"",@progbits
 .balign 8
 .quad .Ls,.Le
 .section .note.GNU-stack,"",@progbits
"""


def all(context):
    here = context.new("links", create=True)
    path = lambda name: os.path.join(here, name)  # noqa: E731
    library = os.path.join(context.prefix, "lib/reheat")
    with open(path("list"), "w") as file:
        file.write("reheat-annotations 1.0\nby-hand\narch x86-64\nunit a.c\nfunction f *\n  allow 1 write:4:lapic read:4:e1000\n")
    for name in "one", "two":
        with open(path(f"{name}.s"), "w") as file:
            file.write(CODE.format(name=name))
        check.run("as", path(f"{name}.s"), "-o", path(f"{name}.o"))
    check.run("as", "--compress-debug-sections", path("two.s"), "-o", path("packed.o"))
    with open(path("main.c"), "w") as file:
        file.write("int main(void) { return 0; }\n")
    check.run("gcc", "-c", path("main.c"), "-o", path("main.o"))
    environment = {**os.environ, "REHEAT_ANNOTATIONS": path("list"), "PATH": f"{library}:{os.environ['PATH']}", "LC_ALL": "C"}

    def link(*command, env=environment):
        done = subprocess.run(command, cwd=here, env=env, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def sections(name):
        out = subprocess.run(["readelf", "-SW", path(name)], capture_output=True, text=True).stdout
        return {line.split("]")[1].split()[0]: line for line in out.splitlines() if "afterburn" in line and ".rela" not in line}

    def final(name, output, *command, wanted={".afterburn", ".afterburn.lapic"}):
        code, said = link(*command)
        check.ok(f"{name}: no word", (code, said) == (0, ""), f"exit {code}: {said[-500:]}")
        check.equal(f"{name}: names", set(sections(output)), set(wanted))

    final("gcc", "prog", "gcc", "-B", library + "/", "main.o", "one.o", "packed.o", "-o", "prog")
    check.ok("gcc: both objects' records are there", " 000020 " in sections("prog")[".afterburn.lapic"], sections("prog"))
    final("gcc without optimising -o", "a.out", "gcc", "-B", library + "/", "main.o", "one.o")
    final("COMPILER_PATH", "prog", "env", f"COMPILER_PATH={library}", "gcc", "main.o", "one.o", "-o", "prog")
    final("clang", "prog", "env", f"COMPILER_PATH={library}", "clang-14", "main.o", "one.o", "-o", "prog")
    final("a shared library", "lib.so", "gcc", "-B", library + "/", "-shared", "one.o", "-o", "lib.so")
    with open(path("own.lds"), "w") as file:
        file.write("SECTIONS { . = 0x400000; .text : { *(.text) } .comment 0 : { *(.comment) } }\n")
    for name, command in (("standard input", "ld -e one -T /dev/stdin one.o -o prog < <(cat own.lds)"), ("a named pipe", "ld -e one -T <(cat own.lds) one.o -o prog")):
        code, said = link("bash", "-c", command)
        place = subprocess.run(["nm", path("prog")], capture_output=True, text=True).stdout
        check.equal(f"a script from {name} is the linker's alone", (code, said, [line.split()[0] for line in place.splitlines() if line.endswith(" one")]),
                    (0, "", ["0000000000400000"]))
    final("sections garbage-collected", "prog", "gcc", "-B", library + "/", "-Wl,--gc-sections", "main.o", "one.o", "-Wl,-u,one", "-o", "prog")
    with open(path("arguments"), "w") as file:
        file.write("main.o one.o\n-o 'a prog'\n")
    final("a response file", "a prog", "gcc", "-B", library + "/", "@arguments")

    # As kernels link: a complete script, and one for modules that knows of no .comment; unknown sections are errors.
    with open(path("kernel.lds"), "w") as file:
        file.write("SECTIONS { . = 0xffffffff81000000; .text : { *(.text) } .data : { *(.data) } .bss : { *(.bss) }\n"
                   " .rela.dyn : { *(.rela.*) *(.rela_*) } .got : { *(.got) *(.got.plt) *(.igot) *(.igot.plt) } .plt : { *(.plt) *(.plt.*) *(.iplt) }\n"
                   " .comment 0 : { *(.comment) } .symtab 0 : { *(.symtab) } .strtab 0 : { *(.strtab) } .shstrtab 0 : { *(.shstrtab) }\n"
                   " /DISCARD/ : { *(.note*) *(.eh_frame*) } }\n")
    with open(path("module.lds"), "w") as file:
        file.write("SECTIONS { /DISCARD/ : { *(.discard) } .init_array 0 : ALIGN(8) { *(.init_array) } }\n")
    final("a kernel, orphans being errors", "vmlinux", "ld", "--no-warn-rwx-segments", "--orphan-handling=error", "-T", "kernel.lds", "main.o", "one.o", "two.o", "-o", "vmlinux")
    final("a kernel with its relocations", "vmlinux", "ld", "--emit-relocs", "--no-warn-rwx-segments", "--orphan-handling=error", "-T", "kernel.lds", "main.o", "one.o", "-o", "vmlinux")
    final("a module", "x.ko", "ld", "-r", "-T", "module.lds", "one.o", "two.o", "-o", "x.ko")
    check.ok("a module: its records keep their relocations", ".rela.afterburn.lapic" in subprocess.run(["readelf", "-SW", path("x.ko")], capture_output=True, text=True).stdout)
    for spelling in ("-Tkernel.lds",), ("--script=kernel.lds",), ("--script", "kernel.lds"):
        final(f"{' '.join(spelling)}", "vmlinux", "ld", "--no-warn-rwx-segments", "--orphan-handling=error", *spelling, "main.o", "one.o", "-o", "vmlinux")

    in_objects = {".debug_afterburn", ".debug_afterburn.lapic"}
    final("an object of objects keeps the names", "whole.o", "ld", "-r", "one.o", "two.o", "-o", "whole.o", wanted=in_objects)
    scripts(here, link, final, plain_of(environment), in_objects)
    if check.need("ld.gold"):
        final("gold is left alone", "prog", "gcc", "-B", library + "/", "-fuse-ld=gold", "main.o", "one.o", "-o", "prog", wanted=in_objects)
    plain = plain_of(environment)
    link("gcc", "-B", library + "/", "main.o", "-o", "with")
    link("gcc", "-B", library + "/", "main.o", "one.o", "-o", "unset", env=plain)
    link("gcc", "main.o", "-o", "without", env=plain)
    check.equal("without a list the names stay", set(sections("unset")), in_objects)
    check.ok("a link without records is byte for byte the same", open(path("with"), "rb").read() == open(path("without"), "rb").read())
    check.equal("ld --version", link("ld", "--version"), link("/usr/bin/ld", "--version"))
    check.equal("ld --verbose prints the linker's own script", link("ld", "--verbose"), link("/usr/bin/ld", "--verbose"))
    code, said = link("ld", "nothing.o", "-o", "x")
    check.ok("the linker's errors pass through", code == 1 and "nothing.o" in said, said)
    code, said = link("gcc", "-B", library + "/", "main.o", "one.o", "-o", "prog", env={**environment, "REHEAT_ANNOTATIONS": "/nonexistent"})
    check.ok("a list that is not there: linked all the same, with a word", code == 0 and "/nonexistent" in said, said)
    stopped(here, environment)


def plain_of(environment):
    return {k: v for k, v in environment.items() if k != "REHEAT_ANNOTATIONS"}


LAYOUT = "SECTIONS { . = 0x100000; .text : { *(.text .text.*) } .data : { *(.data) } .bss : { *(.bss) } "
SCRIPTS = {
    "discards": LAYOUT + "/DISCARD/ : { *(.comment) *(.note*) *(.eh_frame) } }",
    "mentions": "/* .comment : { } */ " + LAYOUT + "size = SIZEOF(.text); /DISCARD/ : { *(.note*) *(.comment) *(.eh_frame) } }",
    "places": LAYOUT + ".debug_line 0 : { *(.debug_line) } \".comment\" 0 : { *(.comment) } }",
    "includes": "INCLUDE discards.lds",
    "inserts": "SECTIONS { .mine : { *(.mine) } } INSERT AFTER .text;",
    "none": "PROVIDE(mine = 1);",
    # Only the linker knows that this names no output section of the script's.
    "misleads": "SECTIONS { . = 0x100000; .text : { *(.text) } .data (0x200000 + SIZEOF ( .comment )) : { *(.data) } .bss : { *(.bss) } /DISCARD/ : { *(.comment) } }",
}


def scripts(here, link, final, plain, in_objects):
    """Whatever script a build has: it links as without us, and where there are no records it links the same bytes."""
    os.mkdir(os.path.join(here, "library"))
    for name, text in SCRIPTS.items():
        for directory in here, os.path.join(here, "library"):
            with open(os.path.join(directory, ("" if directory == here else "far-") + name + ".lds"), "w") as file:
                file.write(text)
    named = {".afterburn", ".afterburn.lapic"}
    quiet = ("ld", "--no-warn-rwx-segments", "-e", "one")
    cases = [(f"-T {name}.lds", ("-T", f"{name}.lds"), in_objects if name in ("none", "misleads") else named) for name in SCRIPTS]
    cases += [(f"-T far-{name}.lds through -L", ("-L", "library", "-T", f"far-{name}.lds"), named) for name in ("discards", "places")]
    cases += [(f"-dT {name}.lds", ("-dT", f"{name}.lds"), wanted) for name, wanted in (("discards", in_objects), ("places", named))]
    cases += [("-T in a response file", ("@scripted",), named), ("two scripts", ("-T", "inserts.lds", "-T", "discards.lds"), named), ("an implicit script", ("none.lds",), named)]
    with open(os.path.join(here, "scripted"), "w") as file:
        file.write("-Llibrary '-Tfar-mentions.lds'")
    for name, options, wanted in cases:
        code, said = link(*quiet, *options, "one.o", "-o", "image")
        if options[-1] == "misleads.lds":
            check.ok(f"{name}: linked without the script that makes it fail, with a word", code == 0 and said.count("\n") == 1 and "records keep the names" in said, f"exit {code}: {said}")
        else:
            check.ok(f"{name}: no word", (code, said) == (0, ""), f"exit {code}: {said[-500:]}")
        sections = subprocess.run(["readelf", "-SW", os.path.join(here, "image")], capture_output=True, text=True).stdout
        found = {n for n in (*named, *in_objects) if f" {n} " in sections}
        check.equal(f"{name}: names", found, wanted)
        link(*quiet, *options, "main.o", "-e", "main", "-o", "image")
        link(*quiet, *options, "main.o", "-e", "main", "-o", "same", env=plain)
        check.ok(f"{name}: without records the same bytes", content(here, "image") == content(here, "same"))
    windows = ("ld", "-m", "i386pep", "main.o", "-e", "main", "-o", "windows")
    check.equal("another format is left alone", link(*windows), link(*windows, env=plain))
    binary = ("ld", "-e", "one", "-Ttext", "0x7c00", "--oformat", "binary", "one.o", "-o")
    check.equal("a flat binary", (link(*binary, "flat"), content(here, "flat")), (link(*binary, "flat2", env=plain), content(here, "flat2")))
    loop = os.path.join(here, "loop")
    with open(loop, "w") as file:
        file.write("@loop @loop")
    check.equal("a response file that names itself", link("ld", "@loop", "-o", "x")[0], link("ld", "@loop", "-o", "x", env=plain)[0])
    strange = os.path.join(os.fsencode(here), b"caf\xe9.o")
    os.link(os.path.join(here, "one.o"), strange)
    done = subprocess.run([b"ld", b"-e", b"one", strange, b"-o", strange + b"ut"], cwd=here, env={**plain, "REHEAT_ANNOTATIONS": os.path.join(here, "list")}, capture_output=True)
    check.ok("names that are no UTF-8", done.returncode == 0 and os.path.exists(strange + b"ut"), done.stderr)


def content(here, name):
    path = os.path.join(here, name)
    return open(path, "rb").read() if os.path.exists(path) else None


def stopped(here, environment):
    """A signal to the stand-in reaches the linker behind it."""
    with open(os.path.join(here, "slow-ld"), "w") as file:
        file.write("#!/bin/sh\necho $$ >slow-pid\nexec sleep 60\n")
    os.chmod(os.path.join(here, "slow-ld"), 0o755)
    process = subprocess.Popen(["ld", "one.o", "-o", "x"], cwd=here, env={**environment, "REHEAT_LD": os.path.join(here, "slow-ld")})
    pid = waited(lambda: content(here, "slow-pid"))
    process.terminate()
    code = process.wait(30)
    check.ok("SIGTERM ends the linker too", code != 0 and pid and not os.path.exists(f"/proc/{int(pid)}"), (code, pid))


def waited(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()
