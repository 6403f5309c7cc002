"""`reheat make` on a project that is not Linux: what is rebuilt, what is kept, what comes of plain builds in between."""
import json
import os
import shutil
import subprocess

import check
import checker
import elf
import lists
from project import Project, digest


def all(context):
    for name, cc, flags in (("gcc", "gcc", "-O2 -g"), ("gcc -Os without debug information", "gcc", "-Os"), ("gcc -m32", "gcc", "-O2 -m32 -fno-pie"),
                            ("clang", "clang-14", "-O2 -g -fno-integrated-as")):
        one(context, name, cc, flags)
    rebuilds(context)
    strangers(context)
    prebuilt(context)
    cleaned(context)
    variables(context)
    recipes(context)
    twice(context)
    ccache(context)


def one(context, name, cc, flags):
    project = Project(context.new(f"a project, {name}"), context.prefix, flags, cc)
    project.make("-j2")
    plain = context.copy(project)
    expected = project.run()
    units = project.sites()
    listed = sum(len(s) for f in units.values() for s in f.values())
    arch = "i386" if "-m32" in flags else "x86-64"
    code, result, errors = project.second(project.list(units, arch=arch))
    if not check.ok(f"{name}: the second pass", code == 0 and result, f"exit {code}: {errors[-600:]}"):
        return
    check.equal(f"{name}: every site is annotated", (result["annotated"], result["lost"], result["refused"], result["listed"]), (listed, 0, 0, listed))
    check.equal(f"{name}: the objects of listed units are rebuilt", result["objects_rebuilt"], len(units))
    check.equal(f"{name}: the others are kept", result["objects_kept"], len(project.objects()) - len(units))
    check.equal(f"{name}: the program still does what it did", project.run(), expected)
    count, records, faults = checker.check(plain, project.directory, 1)
    check.ok(f"{name}: the checker accepts {count} objects with {records} records", not faults and records == listed and count == len(units), faults[:4])
    image = subprocess.run(["readelf", "-SW", project.path("prog")], capture_output=True, text=True).stdout
    check.ok(f"{name}: the program has its records under their final names", ".afterburn.lapic" in image and ".afterburn.hpet" in image and "debug_afterburn" not in image, image)
    code, result, _ = project.second(project.list({}, "empty", arch=arch))
    check.equal(f"{name}: an empty list takes all annotations back", (code, project.annotated(), result["objects_rebuilt"]), (0, set(), len(units)))
    check.equal(f"{name}: byte for byte", project.hashes(), hashes(plain, project))


def hashes(directory, project):
    return {name: digest(os.path.join(directory, name)) for name in project.hashes()}


def rebuilds(context):
    project = Project(context.new("rebuilds"), context.prefix)
    project.make("-j2")
    plain = project.hashes()
    units = project.sites()
    some = {u: f for u, f in units.items() if u in ("part1.c", "part2.c", "sub/last.c")}
    path = project.list(some)
    before = project.times()
    _, first, _ = project.second(path)
    changed = {n for n, t in project.times().items() if before[n] != t}
    check.equal("a list of three units rebuilds three objects", (changed, first["objects_rebuilt"]), ({"part1.o", "part2.o", "sub/last.o"}, 3))
    clean = project.hashes()
    before = project.times()
    _, again, _ = project.second(path)
    check.equal("the same list again rebuilds nothing, and reports the same", (project.times(), again["objects_rebuilt"], again["annotated"]), (before, 0, first["annotated"]))
    report = f"{project.directory}.report"
    project.second(path, "--report", report)
    lines = open(report).read().splitlines()
    check.equal("the report has a line for each annotated object", len(lines), 3)
    check.ok("each line is a JSON object", not [line for line in lines if json.loads(line)["reheat"] != 1], lines)

    fewer = dict(some, **{"part1.c": dict(list(some["part1.c"].items())[:1])})
    _, result, _ = project.second(project.list(fewer, "fewer"))
    check.equal("a site less rebuilds its object alone", result["objects_rebuilt"], 1)
    del fewer["part2.c"]
    _, result, _ = project.second(project.list(fewer, "without"))
    check.equal("a unit less rebuilds its object, which is plain again", (result["objects_rebuilt"], project.hashes()["part2.o"]), (1, plain["part2.o"]))
    _, result, _ = project.second(path)
    check.equal("back to the first list: the same bytes", (result["objects_rebuilt"], project.hashes()), (2, clean))
    _, result, _ = project.second(path, "--policy", "inline")
    check.equal("another policy rebuilds what is annotated", (result["objects_rebuilt"], result["padding"]), (3, "inline"))
    _, result, _ = project.second(path)

    os.unlink(project.path("part2.o"))
    project.make()
    check.equal("a plain make makes a plain object", project.hashes()["part2.o"], plain["part2.o"])
    _, result, _ = project.second(path)
    check.equal("the next second pass sees that, and rebuilds it alone", (result["objects_rebuilt"], project.hashes()), (1, clean))
    project.write("regs.h", "#define SIZE 17\n")
    _, result, _ = project.second(path)
    check.equal("a changed header rebuilds all, with annotations", (project.annotated(), result["annotated"]), ({"part1.o", "part2.o", "sub/last.o"}, first["annotated"]))
    project.write("regs.h", "#define SIZE 16\n")
    project.make()
    check.equal("a plain make of everything is plain", project.annotated(), set())
    project.second(path)
    check.equal("and annotated again, equal to the first time", project.hashes(), clean)
    project.make("clean")
    _, result, _ = project.second(path)
    check.equal("also from a tree that was cleaned", project.hashes(), clean)
    _, result, _ = project.second(path, "--class1")
    check.equal("--class1 rebuilds every object", result["objects_rebuilt"], len(project.objects()))
    check.ok("--class1: annotations of class 2 stay", result["annotated"] == first["annotated"], result)

    units["part3.c"]["write_3"] = ["9999 write:4:lapic"]
    units["gone.c"] = {"f": ["1 write:4:lapic"]}
    units["part4.c"]["gone"] = ["1 write:4:lapic"]
    _, result, _ = project.second(project.list(units, "odd"))
    lost = {(s["unit"], s["function"]): s["reason"] for s in result["sites"] if s["state"] == "lost"}
    check.equal("what cannot be found is told with its reason", (lost.get(("gone.c", "f")), lost.get(("part4.c", "gone")), lost.get(("part3.c", "write_3"))),
                ("unit-not-in-tree", "function-not-found", "instruction-differs"))
    check.equal("every listed site is accounted for", result["annotated"] + result["refused"] + result["lost"], result["listed"])
    broken = project.path("part5.c")
    source = open(broken).read()
    project.write("part5.c", source + "#error broken\n")
    code, result, errors = project.second(path)
    check.equal("make's exit code passes through", code, 2)
    project.write("part5.c", source)
    code, _, _ = project.second(path)
    check.equal("and the next pass is clean", (code, project.hashes()), (0, clean))


def strangers(context):
    """Objects that no rule makes, objects linked together, and a build elsewhere."""
    project = Project(context.new("strangers"), context.prefix)
    project.make("-j2")
    subprocess.run(["ld", "-r", "-o", project.path("whole.o"), project.path("part1.o"), project.path("part2.o")], check=True)
    shutil.copy(project.path("part3.o"), project.path("vendor.o"))
    kept = {n: h for n, h in project.hashes().items() if n in ("whole.o", "vendor.o")}
    stamps = {n: t for n, t in project.times().items() if n in kept}
    path = project.list(project.sites())
    code, result, errors = project.second(path)
    check.equal("objects that no rule makes stay", ({n: h for n, h in project.hashes().items() if n in kept}, {n: t for n, t in project.times().items() if n in kept}, code),
                (kept, stamps, 0))
    project.reset()
    os.unlink(project.path("whole.o")) if os.path.exists(project.path("whole.o")) else None
    project.make("-j2")
    code, result, errors = project.second(path, "--directory", project.directory, cwd="/")
    check.ok("--directory: make starts there", code == 0 and result["annotated"] > 0, errors)
    project.reset()
    project.make("-j2")
    code, result, errors = project.second(path, cwd="/", make=("-s", "-C", project.directory))
    check.ok("-C: the objects are there", code == 0 and result["annotated"] > 0, errors)
    outside(context)
    link = f"{project.directory}.link"
    os.symlink(project.directory, link)
    project.reset()
    project.make("-j2")
    code, result, errors = project.second(path, "--directory", link, cwd="/")
    check.ok("a tree behind a symbolic link", code == 0 and result["annotated"] > 0, errors)


def prebuilt(context):
    """An object that came with the sources, which the program needs and no rule makes."""
    project = Project(context.new("prebuilt"), context.prefix)
    with open(project.path("Makefile"), "a") as makefile:
        makefile.write("prog: vendor/blob.o\n")
    project.write("vendor.c", "void poke(volatile unsigned *regs) { regs[3] = 1; }\n")
    os.mkdir(project.path("vendor"))
    check.run("gcc", "-O2", "-g", "-c", "vendor.c", "-o", "vendor/blob.o", cwd=project.directory)
    os.unlink(project.path("vendor.c"))
    blob = lambda: (digest(project.path("vendor/blob.o")), os.stat(project.path("vendor/blob.o")).st_mtime_ns)  # noqa: E731
    before = blob()
    project.make("-j2")
    units = project.sites()
    path = project.list({**units, "vendor.c": {"poke": ["0 write:4:lapic"]}})
    for options in (), (), ("--class1",):
        code, result, errors = project.second(path, *options)
        name = f"a needed object that no rule makes {' '.join(options)}"
        if check.ok(f"{name}: the others are annotated", code == 0 and result["annotated"] == result["listed"] - 1, f"exit {code}: {errors[-400:]}"):
            reasons = {s["unit"]: s["reason"] for s in result["sites"] if s["state"] == "lost"}
            check.equal(f"{name}: it is as it was, and its site is lost", (blob(), reasons), (before, {"vendor.c": "not-rebuilt"}))
    other = f"{project.directory}.cache.o"
    os.link(project.path("part1.o"), other)
    shared = digest(other), os.stat(other).st_mtime_ns
    project.second(project.list({}, "none"))
    check.ok("an object with another name: that stays as it is", (digest(other), os.stat(other).st_mtime_ns) == shared and digest(project.path("part1.o")) != shared[0])


def cleaned(context):
    project = Project(context.new("to be cleaned"), context.prefix)
    project.make("-j2")
    path = project.list(project.sites())
    code, _, errors = project.second(path, make=("-s", "clean"))
    check.ok("make clean in a second pass: the objects are gone", code in (0, 15) and project.objects() == [], f"exit {code}: {project.objects()} {errors[-300:]}")
    project.make("-j2")
    code, result, errors = project.second(path)
    check.ok("and once there are some again, they are annotated", code == 0 and result["annotated"] == result["listed"], errors[-300:])


def variables(context):
    """What names the directory of the objects in kbuild's trees is any variable elsewhere."""
    project = Project(context.new("variables"), context.prefix)
    project.make("-j2")
    path = project.list(project.sites())
    code, result, errors = project.second(path, make=("-s", "-j2", "O=2"))
    check.ok("O=2 where it is not kbuild's", code == 0 and result["annotated"] > 0, f"exit {code}: {errors[-300:]}")
    there = context.new("kbuild output", create=True)
    kbuild = context.new("kbuild sources", create=True)
    os.mkdir(os.path.join(kbuild, "scripts"))
    open(os.path.join(kbuild, "scripts/Kbuild.include"), "w").close()
    with open(os.path.join(kbuild, "Makefile"), "w") as makefile:
        makefile.write("ifdef O\nKBUILD_OUTPUT := $(O)\nendif\nall:\n\t$(MAKE) -C \"$(KBUILD_OUTPUT)\"\n")
    shutil.rmtree(there)
    for name, arguments, environment in (("O=", (f"O={there}",), {}), ("KBUILD_OUTPUT=", (f"KBUILD_OUTPUT={there}",), {}), ("KBUILD_OUTPUT in the environment", (), {"KBUILD_OUTPUT": there})):
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(project.directory, there, ignore=lambda _, names: [n for n in names if n.endswith((".o", ".reheat"))])
        subprocess.run(["make", "-s", "-C", there], check=True, capture_output=True)
        code, result, errors = project.second(path, cwd=kbuild, make=("-s", *arguments), environment=environment)
        check.ok(f"{name}: the objects are there", code == 0 and result["annotated"] > 0 and result["tree"] == os.path.realpath(there), f"exit {code}: {errors[-300:]}")


def outside(context):
    """Objects in another directory than the sources, as kbuild's O= and cmake have it."""
    project = Project(context.new("sources"), context.prefix)
    there = context.new("objects elsewhere", create=True)
    os.mkdir(os.path.join(there, "sub"))
    with open(project.path("Makefile")) as makefile, open(os.path.join(there, "Makefile"), "w") as copy:
        copy.write(f"VPATH = ../sources\n%.o: %.c\n\t$(CC) $(CFLAGS) -c -o $@ $<\n{makefile.read()}".replace("VPATH = ../sources\n%", "all: prog\nVPATH = ../sources\n%"))
    subprocess.run(["make", "-s", "-C", there], check=True, capture_output=True)
    sources, project.directory = project.directory, there
    units = {f"../sources/{u}": f for u, f in project.sites().items()}
    names = {line.split(": ", 1)[-1].strip() for line in check.run("readelf", "--debug-dump=info", "--dwarf-depth=1", "part1.o", cwd=there).splitlines() if "DW_AT_name" in line}
    # The list says what the objects' debug information says, relative to what both directories share.
    path = project.list({u.removeprefix("../"): f for u, f in units.items()})
    code, result, errors = project.second(path, make=("-s",))
    check.ok("objects outside of the sources", code == 0 and result["annotated"] == result["listed"] > 0, f"{names} {sources} {code} {result and result['lost_by_reason']} {errors[-300:]}")


def recipes(context):
    """Recipes find what they find in a plain make: signals that end a pipe, and the limit of open files."""
    project = Project(context.new("recipes"), context.prefix)
    with open(project.path("Makefile"), "a") as file:
        file.write("prog: answer\nanswer:\n\t(while :; do echo y; done) | head -n 1 >$@\n\tgrep Sig[BIC] /proc/self/status >>$@\n\tulimit -n >>$@\n")
    project.make("-j2")
    with open(project.path("answer")) as file:
        expected = file.read()
    os.unlink(project.path("answer"))
    path = project.list(project.sites())
    done = subprocess.run(["timeout", "60", *project.command(path)], cwd=project.directory, env=project.environment, capture_output=True, text=True)
    check.equal("recipes: a pipe whose reader has gone ends", done.returncode, 0)
    with open(project.path("answer")) as file:
        check.equal("recipes: signals and limits are those of a plain make", file.read(), expected)


def twice(context):
    """One source, two objects, and what each has is not lost in the other."""
    project = Project(context.new("compiled twice"), context.prefix)
    project.write("both.c", "#ifdef ONE\nvoid one(volatile int *r) { r[1] = 1; }\nstatic __attribute__((noinline)) int own(volatile int *r) { return r[1]; }\nint use1(volatile int *r) { return own(r) + 1; }\n"
                  "#else\nvoid two(volatile int *r) { r[2] = 2; }\nstatic __attribute__((noinline)) int own(volatile int *r) { r[3] = 7; return r[2]; }\nint use2(volatile int *r) { return own(r) + 1; }\n#endif\n"
                  "int common(volatile int *r) { return r[5]; }\n")
    with open(project.path("Makefile"), "a") as file:
        file.write("prog: both1.o both2.o\nboth1.o: both.c\n\t$(CC) $(CFLAGS) -DONE -c $< -o $@\nboth2.o: both.c\n\t$(CC) $(CFLAGS) -c $< -o $@\n")
    project.make("-j2")
    one, two = (lists.sites(elf.Object(project.path(f"both{n}.o")), project.path(f"both{n}.o")) for n in (1, 2))
    listed = {**two, **one}
    path = project.list({"both.c": listed})
    count = sum(len(sites) for sites in listed.values())
    code, result, _ = project.second(path)
    check.equal("a source that is compiled twice: all that is in either object is annotated, and nothing is lost", (code, result["listed"], result["annotated"], result["lost"]), (0, count, count, 0))
    check.equal("a source that is compiled twice: both objects have sites", project.annotated(), {"both1.o", "both2.o"})


def ccache(context):
    if not check.need("ccache"):
        return
    project = Project(context.new("cached"), context.prefix, cc="ccache gcc")
    environment = {"CCACHE_DIR": f"{project.directory}.ccache", "CCACHE_SLOPPINESS": ""}
    project.environment.update(environment)
    project.make("-j2")
    plain = project.hashes()
    units = project.sites()
    path = project.list({u: units[u] for u in ("part1.c", "part2.c")})
    code, first, errors = project.second(path)
    check.equal("ccache: the second pass annotates", (code, project.annotated()), (0, {"part1.o", "part2.o"}))
    clean = project.hashes()
    project.make("clean")
    project.make("-j2")
    check.equal("ccache: a plain build gets plain objects from it", project.hashes(), plain)
    _, result, _ = project.second(path)
    check.equal("ccache: and the second pass annotated ones, with the same report", (project.hashes(), result["annotated"]), (clean, first["annotated"]))
    shutil.rmtree(project.path(".reheat"))
    project.make("clean")
    project.make("-j2")
    code, result, errors = project.second(path)
    check.equal("ccache: in a fresh tree, too", (code, project.hashes(), result["annotated"], result["lost"]), (0, clean, first["annotated"], 0))
    code, result, errors = project.second(project.list({"part1.c": units["part1.c"]}, "other"))
    check.equal("ccache: another list, other objects", (project.annotated(), project.hashes()["part2.o"]), ({"part1.o"}, plain["part2.o"]))
    _, result, _ = project.second(path, "--policy", "inline")
    check.equal("ccache: another policy, other objects", (len(project.annotated()), project.hashes()["part1.o"] == clean["part1.o"]), (2, False))
    misses = lambda: int(next(line.split()[1] for line in check.run("ccache", "--print-stats", env=project.environment).splitlines() if line.startswith("cache_miss")))  # noqa: E731
    library = f"{project.directory}.lib"
    shutil.copytree(os.path.join(context.prefix, "lib/reheat"), library, ignore=lambda _, names: ["cli"])
    for name, newer in (("", None), ("the same reheat-as", False), ("another reheat-as", True)):
        project.make("clean")
        if newer:
            with open(os.path.join(library, "as"), "ab") as program:
                program.write(b"newer")
        before = misses()
        project.second(path, "--policy", "inline", environment={"REHEAT_LIB": library})
        if name:
            check.ok(f"ccache: {name}: {'no object of the old one' if newer else 'its objects'}", (misses() > before) == newer, f"{misses()} misses, {before} before")
