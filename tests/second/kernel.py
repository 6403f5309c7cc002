"""A second pass of a real Linux: what it rebuilds, that nothing warns, and that nothing but annotations changed."""
import json
import os
import re
import shutil
import subprocess

import check
import checker
import lists
from project import digest

GUESTS = os.path.join(check.ROOT, "deploy/guests/linux/build.sh")
UNITS = 40

# Compiled without the flag that keeps the tree's own path out of the debug information: different in another directory.
NAME_THE_TREE = "scripts/", "tools/", "arch/x86/boot/", "arch/x86/realmode/"


def copy(context, name):
    """(original tree, a copy of its own)"""
    made = context.new(name)
    check.run(GUESTS, "--variant", "tiny", "--copy-to", made)
    values = dict(line.split("=", 1) for line in check.run(GUESTS, "--variant", "tiny").splitlines() if "=" in line)
    return values["build"], made


def environment():
    return {k: v for k, v in os.environ.items() if k not in ("COMPILER_PATH", "REHEAT_ANNOTATIONS", "REHEAT_LIB", "MAKEFLAGS", "MAKELEVEL", "ARCH", "CC", "CROSS_COMPILE", "O")}


def second(context, tree, path, *options):
    done = subprocess.run([os.path.join(context.prefix, "bin/reheat"), "make", "--annotations", path, "--json", *options, "--", f"-j{os.cpu_count()}"],
                          cwd=tree, capture_output=True, text=True, env=environment())
    if not done.stdout.startswith("{"):
        raise RuntimeError(f"reheat make: exit {done.returncode}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout), done.stderr


def objects(tree):
    found = {}
    for directory, children, files in os.walk(tree):
        children[:] = [c for c in children if c != ".reheat"]
        found.update((os.path.relpath(os.path.join(directory, f), tree), os.path.join(directory, f)) for f in files if f.endswith(".o"))
    return found


def all(context):
    original, tree = copy(context, "linux")
    sources = stamps(original)
    units = lists.kernel(tree, UNITS)
    listed = sum(len(s) for f in units.values() for s in f.values())
    path = context.new("kernel.list")
    lists.write(path, units)
    result, output = second(context, tree, path)
    check.equal("make ends well", result["make_exit_code"], 0)
    check.equal("each listed unit's object is rebuilt, and no other", result["objects_rebuilt"], len(units))
    compiled = re.findall(r"^  (?:CC|AS)(?: \[M\])? +(\S+)$", output, re.M)
    extra = {c for c in compiled if c[:-2] + ".c" not in units} - {"init/version-timestamp.o", ".tmp_vmlinux.kallsyms1.o", ".tmp_vmlinux.kallsyms2.o",
                                                                  "arch/x86/boot/compressed/piggy.o", "arch/x86/boot/header.o", "arch/x86/boot/compressed/misc.o"}
    check.equal("kbuild compiles those alone, and what each link needs", extra, set())
    check.equal("every site is accounted for", result["annotated"] + result["refused"] + result["lost"], listed)
    check.ok(f"{result['annotated']} of {listed} sites are annotated", result["annotated"] >= 0.97 * listed, result)
    warnings = [line for line in output.splitlines() if "warning" in line.lower()]
    check.equal("no warning", warnings, [])
    check.equal("no source file is touched", {k: v for k, v in stamps(tree).items() if sources.get(k) != v}, {})
    for image in "vmlinux", "drivers/net/dummy.ko":
        sections = check.run("readelf", "-SW", os.path.join(tree, image))
        wanted = image == "vmlinux" or "drivers/net/dummy.c" in units
        check.ok(f"{image} has records under their final names", (".afterburn.lapic" in sections) == wanted and "debug_afterburn" not in sections)
    count, records, faults = checker.check(original, tree)
    check.ok(f"the checker accepts all {count} annotated objects, {records} records", not faults and records >= result["annotated"] and count <= len(units), faults[:5])
    result, output = second(context, tree, path)
    check.equal("again: nothing is rebuilt", (result["objects_rebuilt"], re.findall(r"^  (?:CC|AS) .*", output, re.M)), (0, []))
    lists.write(path, {})
    result, output = second(context, tree, path)
    here, there = objects(tree), objects(original)
    different = [n for n in sorted(here) if n in there and not n.startswith(NAME_THE_TREE) and digest(here[n]) != digest(there[n])]
    check.equal("an empty list takes all back: every object is byte for byte that of the first build", (result["objects_rebuilt"], different), (len(units), []))
    check.ok("and vmlinux too", digest(os.path.join(tree, "vmlinux")) == digest(os.path.join(original, "vmlinux")))
    shutil.rmtree(tree)


def stamps(tree):
    """Sizes and times of a sample of the sources: all that git would track is too much to read twice."""
    found = {}
    for top in "kernel", "mm", "arch/x86", "drivers/net", "include/linux", "scripts":
        for directory, _, files in os.walk(os.path.join(tree, top)):
            for f in files:
                if f.endswith((".c", ".h", ".S")) and not f.endswith((".mod.c", "voffset.h", "zoffset.h", "piggy.S")):
                    path = os.path.join(directory, f)
                    found[os.path.relpath(path, tree)] = (os.stat(path).st_size, os.stat(path).st_mtime_ns)
    return found
