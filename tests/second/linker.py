"""The stand-in for ld: records get their final names, in final links alone, without a warning."""
import os
import subprocess

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
    if check.need("ld.gold"):
        final("gold is left alone", "prog", "gcc", "-B", library + "/", "-fuse-ld=gold", "main.o", "one.o", "-o", "prog", wanted=in_objects)
    plain = {k: v for k, v in environment.items() if k != "REHEAT_ANNOTATIONS"}
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
