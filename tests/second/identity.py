"""Without a list, or with nothing in it for a file, the stand-ins change no byte: by the recorded commands of a real kernel's build."""
import os
import random
import shutil
import subprocess

import check
from kernel import NAME_THE_TREE, copy, environment, objects
from project import digest
from recorded import commands

SAMPLE = 60
KINDS = ("arch/x86/entry/vdso/vclock_gettime.o", "arch/x86/boot/main.o", "arch/x86/boot/header.o", "arch/x86/realmode/rm/trampoline_64.o", "arch/x86/entry/entry_64.o",
         "arch/x86/lib/memcpy_64.o", "arch/x86/boot/compressed/misc.o")


def all(context):
    original, tree = copy(context, "linux-identity")
    library = os.path.join(context.prefix, "lib/reheat")
    nothing = context.new("nothing.list")
    with open(nothing, "w") as file:
        file.write("reheat-annotations 1.0\nby-hand\narch x86-64\nunit no/such.c\nfunction f *\n  allow 1 write:4:lapic\n")
    if context.is_long:
        whole(original, tree, library)
    recorded = commands(tree)
    names = random.Random(3).sample(sorted(recorded), min(SAMPLE, len(recorded)))
    # Those of every kind: real mode, vDSO, boot, assembly source.
    names += [n for n in recorded if n.startswith(NAME_THE_TREE if context.is_long else KINDS)]
    compare(tree, library, nothing, recorded, sorted(set(names)))
    shutil.rmtree(tree)


def compare(tree, library, nothing, recorded, names):
    """Each object twice in the same directory, by the recorded command."""
    for what, extra in (("no list", {}), ("a list that names none of them", {"REHEAT_ANNOTATIONS": nothing})):
        different = []
        for name in names:
            results = []
            for env in ({}, {"COMPILER_PATH": library, **extra}):
                out = os.path.join(tree, "identity.o")
                done = subprocess.run(["sh", "-c", recorded[name].to(out)], cwd=tree, env={**environment(), **env}, capture_output=True, text=True)
                results.append((done.returncode, done.stderr, digest(out) if done.returncode == 0 else ""))
            if results[0] != results[1] or results[0][0]:
                different.append((name, results))
        check.ok(f"{len(names)} kernel objects with {what}: byte for byte the same", not different, different[:2])


def whole(original, tree, library):
    """Every object: a whole build, a copy of the tree without objects through the stand-ins."""
    for name, path in objects(tree).items():
        if not name.startswith(("scripts/", "tools/")):
            os.unlink(path)
    env = {**environment(), "COMPILER_PATH": library, "PATH": f"{library}:{os.environ['PATH']}"}
    done = subprocess.run(["make", f"-j{os.cpu_count()}", "-s"], cwd=tree, env=env, capture_output=True, text=True)
    check.equal("the whole build", (done.returncode, done.stderr), (0, ""))
    here, there = objects(tree), objects(original)
    different = [n for n in sorted(there) if not n.startswith(NAME_THE_TREE) and (n not in here or digest(here[n]) != digest(there[n]))]
    check.ok(f"all {len(there)} objects of a kernel: byte for byte the same", not different, different[:5])
    check.ok("and vmlinux", digest(os.path.join(tree, "vmlinux")) == digest(os.path.join(original, "vmlinux")))
