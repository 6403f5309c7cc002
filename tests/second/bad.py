"""What cannot work ends with a message and an exit code of its own, and leaves the build as it was."""
import os
import shutil

import check
from project import Project


def all(context):
    project = Project(context.new("bad input"), context.prefix)
    project.make("-j2")
    units = project.sites()
    path = project.list(units)
    before = project.hashes(), project.times()

    def refused(name, wanted, word, *options, **how):
        annotations = how.pop("annotations", path)
        code, _, errors = project.second(annotations, *options, **how)
        check.ok(f"{name}: exit code {wanted}, says {word!r}", code == wanted and word in errors and "at Reheat." not in errors, f"exit {code}: {errors[-400:]}")
        check.ok(f"{name}: the build is untouched", (project.hashes(), project.times()) == before)

    def text(name, content):
        with open(f"{project.directory}.{name}", "wb") as file:
            file.write(content)
        return file.name

    refused("a list that does not exist", 3, "nowhere.list", annotations=f"{project.directory}.nowhere.list")
    refused("an empty list file", 3, "ListFormat", annotations=text("empty", b""))
    refused("a list cut off", 3, "cut off", annotations=text("cut", open(path, "rb").read().replace(b"by-hand\n", b"")))
    refused("a list of another version", 3, "version 2.0", annotations=text("version", open(path, "rb").read().replace(b"1.0", b"2.0", 1)))
    refused("a site twice", 3, "ListDuplicate", annotations=text("twice", open(path, "rb").read() + b"unit x.c\nfunction f *\n  allow 1 write:4:lapic\n  allow 1 write:4:hpet\n"))
    refused("no list at all but noise", 3, "ListFormat", annotations=text("noise", bytes(range(256)) * 8))
    refused("a list of another architecture", 14, "i386", annotations=project.list(units, "i386", arch="i386"))
    refused("a missing installation", 10, "REHEAT_LIB", environment={"REHEAT_LIB": "/nonexistent"})
    refused("a missing make", 11, "--make", "--make", "/nonexistent/make")
    refused("a directory that is no build", 12, "no object files", "--directory", context.new("nothing", create=True))
    refused("a directory that is none", 12, "no directory", "--directory", "/nonexistent")

    lto = Project(context.new("lto"), context.prefix, "-O2 -flto")
    lto.make("-j2")
    code, _, errors = lto.second(path)
    check.ok("link-time optimisation: exit code 13", code == 13 and "LTO" in errors, f"exit {code}: {errors[-400:]}")
    lto = Project(context.new("lto of clang"), context.prefix, "-O2 -flto -fno-integrated-as", "clang-14")
    lto.make("main.o", "part1.o")
    code, _, errors = lto.second(path)
    check.ok("link-time optimisation of clang: exit code 13", code == 13 and "LTO" in errors, f"exit {code}: {errors[-400:]}")

    code, result, errors = project.second(project.list({"none.c": {"f": ["0 write:4:lapic"]}}, "foreign"))
    check.ok("a list of another program: exit code 15", code == 15 and result["lost_by_reason"] == {"unit-not-in-tree": 1}, f"exit {code}: {errors[-400:]}")
    integrated = Project(context.new("integrated"), context.prefix, "-O2 -g", "clang-14")
    integrated.make("-j2")
    code, result, errors = integrated.second(integrated.list(integrated.sites()))
    check.ok("clang's integrated assembler: exit code 15, and why", code == 15 and "not-assembled" in result["lost_by_reason"], f"exit {code}: {errors[-400:]}")

    state = project.path(".reheat/objects.json")
    project.second(path)
    clean = project.hashes()
    for name, content in (("cut off", open(state, "rb").read()[:-40]), ("empty", b""), ("noise", b"\0\1\2")):
        with open(state, "wb") as file:
            file.write(content)
        code, _, errors = project.second(path)
        check.ok(f"a state file that is {name}: said, and repaired", code == 0 and "objects.json" in errors and project.hashes() == clean, f"exit {code}: {errors[-400:]}")
    with open(state, "wb") as file:
        file.write(b'{"reheat": 2, "objects": {}}')
    code, _, errors = project.second(path)
    check.ok("a state file of a newer version", code == 3 and "version 2" in errors, f"exit {code}: {errors[-400:]}")
    shutil.rmtree(project.path(".reheat"))
    code, _, errors = project.second(path)
    check.ok("a state that was deleted: the objects tell", code == 0 and project.hashes() == clean, f"exit {code}: {errors[-400:]}")
    if os.getuid() != 0:
        os.chmod(project.directory, 0o555)
        code, _, errors = project.second(path)
        os.chmod(project.directory, 0o755)
        check.ok("a tree that cannot be written", code == 1 and "cannot write" in errors, f"exit {code}: {errors[-400:]}")
    unwritable(context)
    immutable(context)


def unwritable(context):
    """What a full disk does to the files of a second pass: they cannot be written. (A directory in their place stands for it.)"""
    project = Project(context.new("full"), context.prefix)
    project.make("-j2")
    path = project.list(project.sites())
    before = project.hashes(), project.times()
    for name in "annotations.new", "key.new", "run.jsonl", "objects.json.new":
        os.makedirs(project.path(f".reheat/{name}"))
        code, _, errors = project.second(path)
        check.ok(f"{name} cannot be written: said, before anything is touched", code == 1 and "cannot write" in errors and "internal error" not in errors and
                 (project.hashes(), project.times()) == before, f"exit {code}: {errors[-400:]}")
        os.rmdir(project.path(f".reheat/{name}"))
    makefile = open(project.path("Makefile")).read()
    for wanted, then in ((1, "true"), (2, "false")):
        project.write("Makefile", f"prog: full\n.PHONY: full\nfull: part1.o\n\t@mkdir .reheat/objects.json.new\n\t@{then}\n".replace("prog: full", "all: prog full") + makefile)
        code, result, errors = project.second(path, make=("-s",))
        check.ok(f"the state cannot be written after make, which ended with {then}: exit code {wanted}", code == wanted and result and "cannot write" in errors and "internal error" not in errors,
                 f"exit {code}: {errors[-400:]}")
        os.rmdir(project.path(".reheat/objects.json.new"))
    project.write("Makefile", makefile)
    code, result, errors = project.second(path)
    check.ok("with room again the next pass is whole", code == 0 and result["annotated"] == result["listed"], f"exit {code}: {errors[-400:]}")


def immutable(context):
    """An object that nobody may change costs itself alone."""
    project = Project(context.new("immutable"), context.prefix)
    project.make("-j2")
    units = project.sites()
    name = "part2" if os.getuid() == 0 else "sub/last"
    path, before = project.list(units), project.hashes()[f"{name}.o"]
    if os.getuid() == 0:
        protect, unprotect = ("chattr", "+i", project.path(f"{name}.o")), ("chattr", "-i", project.path(f"{name}.o"))
    else:   # its directory, where a second name of it cannot be parted from the first
        os.link(project.path(f"{name}.o"), project.path("other name"))
        protect, unprotect = ("chmod", "555", project.path("sub")), ("chmod", "755", project.path("sub"))
    check.run(*protect)
    try:
        code, result, errors = project.second(path)
        reasons = {s["unit"]: s["reason"] for s in result["sites"] if s["state"] == "lost"} if result else None
        check.ok("an object that cannot be changed: said, and all others are annotated", code == 0 and f"{name}.o" in errors and reasons == {f"{name}.c": "not-rebuilt"},
                 f"exit {code}: {reasons} {errors[-400:]}")
        check.equal("and it is as it was", project.hashes()[f"{name}.o"], before)
    finally:
        check.run(*unprotect)
