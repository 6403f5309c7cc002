"""A small project with a plain Makefile: some objects, an archive, a program that checks itself."""
import hashlib
import json
import os
import shutil
import subprocess

import check
import elf
import lists

FILES = 10

SOURCE = """#include "regs.h"
void write_{n}(volatile unsigned *regs, unsigned value) {{ regs[{n}] = value; }}
unsigned read_{n}(volatile unsigned *regs) {{ return regs[{n}] + {n}; }}
static __attribute__((noinline)) unsigned sum(volatile unsigned *regs, unsigned count)
{{
	unsigned total = 0;
	for (unsigned i = 0; i < count; i++)
		total += regs[i];
	return total;
}}
unsigned both_{n}(volatile unsigned *regs) {{ write_{n}(regs, {n}); return sum(regs, SIZE); }}
"""

MAKEFILE = """CFLAGS = {flags}
OBJECTS = {objects}
prog: main.o sub/last.o libregs.a
	$(CC) $(CFLAGS) -o $@ main.o sub/last.o -L. -lregs
libregs.a: $(OBJECTS)
	rm -f $@
	$(AR) rcsD $@ $^
main.o $(OBJECTS) sub/last.o: regs.h
clean:
	rm -f *.o sub/*.o libregs.a prog
"""


class Project:
    def __init__(self, directory, prefix, flags="-O2 -g", cc="gcc"):
        self.directory, self.reheat = directory, os.path.join(prefix, "bin/reheat")
        self.environment = {**os.environ, "CC": cc, "LC_ALL": "C"}
        self.emulator = ["qemu-i386"] if "-m32" in flags else []    # not every 64-bit kernel runs 32-bit programs
        for name in ("COMPILER_PATH", "REHEAT_ANNOTATIONS", "REHEAT_LIB", "MAKEFLAGS", "MAKELEVEL", "CCACHE_EXTRAFILES"):
            self.environment.pop(name, None)
        os.makedirs(os.path.join(directory, "sub"))
        objects = [f"part{n}.o" for n in range(FILES)]
        for n in range(FILES):
            self.write(f"part{n}.c", SOURCE.format(n=n))
        self.write("sub/last.c", SOURCE.format(n=FILES).replace('"regs.h"', '"../regs.h"'))
        calls = " + ".join(f"both_{n}(regs)" for n in range(FILES + 1))
        declared = "".join(f"unsigned both_{n}(volatile unsigned *);" for n in range(FILES + 1))
        self.write("main.c", f'#include "regs.h"\n#include <stdio.h>\n{declared}\nunsigned regs[SIZE];\nint main(void) {{ printf("%u\\n", {calls}); return 0; }}\n')
        self.write("regs.h", "#define SIZE 16\n")
        self.write("Makefile", MAKEFILE.format(flags=flags, objects=" ".join(objects)).replace("$(CC) $(CFLAGS)", "$(CC) $(CFLAGS)"))

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def make(self, *arguments, **environment):
        done = subprocess.run(["make", "-s", f"CC={self.environment['CC']}", *arguments], cwd=self.directory, capture_output=True, text=True,
                              env={**self.environment, **environment})
        if done.returncode:
            raise RuntimeError(f"make: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def sites(self):
        """{unit: {function: [site]}} of all plain objects."""
        found = {}
        for name in self.objects():
            here = lists.sites(elf.Object(self.path(name)), self.path(name))
            if here:
                found[name[:-2] + ".c"] = here
        return found

    def objects(self):
        return sorted([f for f in os.listdir(self.directory) if f.endswith(".o")] + [f"sub/{f}" for f in os.listdir(self.path("sub")) if f.endswith(".o")])

    def list(self, units, name="list", **options):
        """Writes a list outside of the project; its path."""
        path = f"{self.directory}.{name}"
        lists.write(path, units, **options)
        return path

    def second(self, annotations, *options, make=("-s", "-j2"), environment=None, cwd=None):
        """`reheat make`: (exit code, JSON or None, standard error)."""
        done = subprocess.run(self.command(annotations, *options, make=make), cwd=cwd or self.directory, capture_output=True, text=True,
                              env={**self.environment, **(environment or {})})
        return done.returncode, json.loads(done.stdout) if done.stdout.startswith("{") else None, done.stderr

    def command(self, annotations, *options, make=("-s", "-j2")):
        return [self.reheat, "make", "--annotations", annotations, "--json", *options, "--", f"CC={self.environment['CC']}", *make]

    def hashes(self):
        """Content of all that the build makes."""
        return {name: digest(self.path(name)) for name in [*self.objects(), "libregs.a", "prog"] if os.path.exists(self.path(name))}

    def times(self):
        return {name: os.stat(self.path(name)).st_mtime_ns for name in self.objects()}

    def run(self):
        return check.run(*self.emulator, self.path("prog"))

    def annotated(self):
        """Objects with records."""
        return {name for name in self.objects() if any(s.name.startswith(".debug_afterburn") for s in elf.Object(self.path(name)).sections)}

    def reset(self):
        """As never built."""
        self.make("clean")
        shutil.rmtree(self.path(".reheat"), ignore_errors=True)


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
