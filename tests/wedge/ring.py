"""The ring's header, as C and as C++, by two compilers."""
import os

import check

FLAGS = ["-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]


def all(build, out):
    source = os.path.join(check.HERE, "ring_test.c")
    for compiler, language in (("gcc", ["-std=gnu11"]), ("clang-14", ["-std=gnu11"]),
                               ("g++", ["-x", "c++", "-std=gnu++11"]), ("clang++-14", ["-x", "c++", "-std=gnu++11"])):
        program = os.path.join(out, "ring_test-" + compiler)
        check.run(compiler, *FLAGS, *language, "-o", program, source)
        for line in check.run(program).splitlines():
            verdict, name = line.split(" ", 1)
            check.ok(f"ring, {compiler}: {name}", verdict == "ok")
