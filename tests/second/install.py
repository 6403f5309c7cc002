"""deploy/install.sh: what it writes works from where it is, for builds that know nothing of this source tree."""
import json
import os
import subprocess

import check
from project import Project

SCRIPT = os.path.join(check.ROOT, "deploy/install.sh")
PROGRAMS = ["bin/reheat", "bin/reheat-as", "bin/reheat-user", "lib/reheat/as", "lib/reheat/ld", "lib/reheat/cli"]


def all(context):
    if not os.path.exists(context.prefix):
        out = check.run(SCRIPT, "--prefix", context.prefix)
        check.equal("it prints what it wrote", sorted(out.split("\n")[:-1]), sorted(os.path.join(context.prefix, p) for p in PROGRAMS))
        check.equal("and wrote nothing else", sorted(os.listdir(context.prefix) + os.listdir(f"{context.prefix}/lib/reheat")), ["as", "bin", "cli", "ld", "lib"])
    done = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True)
    check.ok("--help", done.returncode == 0 and "--prefix DIR" in done.stdout)
    check.equal("without --prefix: a usage error", subprocess.run([SCRIPT], capture_output=True).returncode, 2)
    library = os.path.join(context.prefix, "lib/reheat")
    check.ok("bin/reheat runs", "second pass" in check.run(os.path.join(context.prefix, "bin/reheat"), "make", "--help"))
    for name in "bin/reheat-as", "lib/reheat/as":
        check.ok(f"{name} is as", "GNU assembler" in check.run(os.path.join(context.prefix, name), "--version"))
    check.ok("lib/reheat/ld is ld", "GNU ld" in check.run(os.path.join(library, "ld"), "--version"))

    for cc, flags in (("gcc", "-O2 -g"), ("clang-14", "-O2 -g -fno-integrated-as")):
        project = Project(context.new(f"installed for {cc}"), context.prefix, flags, cc)
        project.make("-j2")
        units = project.sites()
        listed = sum(len(s) for f in units.values() for s in f.values())
        path, report = project.list(units), f"{project.directory}.report"
        project.make("clean")
        project.make("-j4", COMPILER_PATH=library, REHEAT_ANNOTATIONS=path, REHEAT_REPORT=report)
        lines = [json.loads(line) for line in open(report)]
        check.equal(f"{cc}: COMPILER_PATH=DIR/lib/reheat make -j4 annotates and reports", (sum(x["annotated"] for x in lines), len(lines)), (listed, len(units)))
        check.ok(f"{cc}: the program has its records", ".afterburn.lapic" in check.run("readelf", "-SW", project.path("prog")))
        single = project.path("part1.o")
        project.make("part1.o", "-B")
        plain = open(single, "rb").read()
        check.run(cc, *flags.split(), "-B", library + "/", "-c", "part1.c", "-o", "part1.o", cwd=project.directory)
        check.ok(f"{cc} -B DIR/lib/reheat/ without a list: the same bytes", open(single, "rb").read() == plain)
        check.run(cc, *flags.split(), "-B", library + "/", "-c", "part1.c", "-o", "part1.o", cwd=project.directory, env={**project.environment, "REHEAT_ANNOTATIONS": path})
        check.ok(f"{cc} -B DIR/lib/reheat/ with one: annotated", "part1.o" in project.annotated())
    documented(context, library)
    again(context)


def documented(context, library):
    """The line of --help, for a build that calls ld itself and takes no section that its script does not name, as kernels can be built."""
    line = next(line.strip() for line in check.run(SCRIPT, "--help").splitlines() if line.strip().startswith("REHEAT_ANNOTATIONS") and line.endswith("make"))
    project = Project(context.new("calls ld"), context.prefix)
    project.make("-j2")
    annotations = project.list(project.sites())
    project.make("clean")
    project.write("own.lds", "SECTIONS { . = 0x400000; .text : { *(.text) } .data : { *(.data) *(.bss) *(.got .got.plt .igot.plt .iplt .rela.*) } .note : { *(.note*) } .eh_frame : { *(.eh_frame) } .comment 0 : { *(.comment) }\n"
                  + "".join(f" {name} 0 : {{ *({name}) }}" for name in (".debug_info", ".debug_abbrev", ".debug_aranges", ".debug_line", ".debug_line_str", ".debug_str",
                                                                        ".debug_loclists", ".debug_rnglists")) + " }\n")
    project.write("Makefile", "part1: part1.o\n\tld --orphan-handling=error -e write_1 -T own.lds $< -o $@\npart1.o: part1.c\n\t$(CC) -O2 -g -c $< -o $@\n")
    line = line.replace("DIR", os.path.dirname(os.path.dirname(library)).replace(" ", "\\ ")).replace("=FILE", f"={annotations}".replace(" ", "\\ "), 1).replace("=FILE", "=report")
    done = subprocess.run(["sh", "-c", line], cwd=project.directory, env=project.environment, capture_output=True, text=True)
    check.ok("the line of --help: a build that calls ld itself links", done.returncode == 0 and "orphan" not in done.stderr, done.stderr[-800:])
    check.ok("and its image has the records", ".afterburn." in check.run("readelf", "-SW", project.path("part1")))


def again(context):
    """Installing again and removing, without the command line, which takes longer to publish."""
    prefix = context.new("another installation")
    for attempt in "first", "second":
        check.equal(f"--only-as, {attempt}: what it wrote", len(check.run(SCRIPT, "--prefix", prefix, "--only-as").split("\n")) - 1, 3)
    mine = os.path.join(prefix, "bin/mine")
    open(mine, "w").close()
    out = check.run(SCRIPT, "--prefix", prefix, "--uninstall")
    check.equal("--uninstall removes what was installed, and nothing else", (os.listdir(prefix), os.listdir(f"{prefix}/bin"), len(out.split("\n")) - 1), (["bin"], ["mine"], 2))
    check.equal("--uninstall again: nothing is installed", subprocess.run([SCRIPT, "--prefix", prefix, "--uninstall"], capture_output=True).returncode, 1)
    os.makedirs(os.path.join(prefix, "lib/reheat"))
    os.unlink(mine)
    os.rmdir(os.path.join(prefix, "bin"))
    check.equal("--uninstall of a part that is left", (subprocess.run([SCRIPT, "--prefix", prefix, "--uninstall"], capture_output=True).returncode, os.listdir(prefix)), (0, []))
