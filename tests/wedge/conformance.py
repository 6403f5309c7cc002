"""`reheat wedge check` on the example wedge and on QEMU's: both keep the contract that every wedge is checked against."""
import json
import os
import signal
import subprocess

import check
import ends
import guests
import hits
import session

EXAMPLE = os.path.join(check.ROOT, "services/wedges/example/example.c")
INCLUDE = os.path.join(check.ROOT, "services/wedges/include")
FLAGS = ["-O2", "-Wall", "-Wextra", "-Werror", "-I", INCLUDE]
LANGUAGES = [("gcc", ["-std=gnu11", "-pedantic"]), ("clang-14", ["-std=gnu11", "-pedantic"]),
             ("g++", ["-x", "c++", "-std=gnu++11"]), ("clang++-14", ["-x", "c++", "-std=gnu++11"])]
GUESTS = [("forms32", guests.I386, []), ("forms64", guests.X86_64, []), ("forms64", guests.X86_64, ["-accel", "tcg,thread=multi", "-smp", "2"]),
          ("rep32", guests.I386, []), ("offset32", guests.I386, guests.OVERLAID)]

reheat = os.path.join(check.ROOT, "services/cli/bin/Release/net10.0/reheat")    # run.py --reheat


def verdict(directory, *options):
    done = subprocess.run([reheat, "wedge", "check", directory, "--json", *options], capture_output=True, text=True, timeout=120)
    if done.returncode not in (0, 21):
        raise RuntimeError(f"reheat wedge check {directory}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.returncode, json.loads(done.stdout)


def keeps(name, directory, *options):
    status, said = verdict(directory, *options)
    check.equal(f"contract: {name}", (status, said["violations"]), (0, []))
    return said


def header(out):
    """What is not a program of its own: a kernel's and a freestanding compile of the header, and of 32-bit code."""
    fake = os.path.join(out, "linux")
    os.makedirs(fake, exist_ok=True)
    with open(os.path.join(fake, "types.h"), "w") as file:
        file.write("typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;\n")
    source = os.path.join(out, "header.c")
    with open(source, "w") as file:
        file.write('#include "reheat_ring.h"\n_Static_assert(sizeof(struct rh_record) == RH_RECORD_BYTES, "record");\n'
                   '_Static_assert(__builtin_offsetof(struct rh_ring_header, head) == 64 && __builtin_offsetof(struct rh_ring_header, closed) == 112 &&\n'
                   '\t__builtin_offsetof(struct rh_ring_header, tail) == 128 && __builtin_offsetof(struct rh_ring_header, hits) == 192, "header");\n'
                   '_Static_assert(sizeof(struct rh_code_entry) == 24 && __builtin_offsetof(struct rh_code_header, count) == 64, "code");\n'
                   'int trap(struct rh_producer *p, rh_u64 ip)\n{\n\treturn rh_push(p, ip, 0, RH_DEVICE_READ, 4, RH_TARGET_BY_ADDRESS, 0, 1, 0);\n}\n')
    for compiler in "gcc", "clang-14":
        for name, flags in (("freestanding", ["-ffreestanding", "-nostdlib"]), ("freestanding, 32 bit", ["-m32", "-ffreestanding"]),
                            ("kernel", ["-D__KERNEL__", "-ffreestanding", "-I", out, "-fno-pic", "-fno-pie", "-mno-sse", "-mno-red-zone", "-mcmodel=kernel"]),
                            ("strict C11", ["-std=c11", "-pedantic-errors"])):
            done = subprocess.run([compiler, *FLAGS, *flags, "-c", "-o", os.path.join(out, "header.o"), source], capture_output=True, text=True)
            needs = done.returncode == 0 and check.run("nm", "-u", os.path.join(out, "header.o"))
            check.ok(f"header, {compiler}: {name}", done.returncode == 0 and "atomic" not in needs, f"{done.stderr}{needs}")    # no library either


def example(out):
    lines = len(open(EXAMPLE).readlines())
    check.ok("example: at most 100 lines", lines <= 100, lines)
    for compiler, language in LANGUAGES:
        program, directory = os.path.join(out, "example-" + compiler), os.path.join(out, "session-" + compiler)
        check.run(compiler, *language, *FLAGS, "-no-pie", "-o", program, EXAMPLE)
        check.run(program, directory, "1000")
        said = keeps(f"example, {compiler}", directory)
        check.equal(f"example, {compiler}: its traps", ([ring["traps"] for ring in said["rings"]], said["sites"]), ([2001], 3))
        again = subprocess.run([program, directory], capture_output=True, text=True)
        check.ok(f"example, {compiler}: a directory that holds a session is refused",
                 again.returncode == 1 and "the directory holds another session" in again.stderr, again)


def qemu(build, out):
    for source, program, arguments in GUESTS:
        guests.assemble(source, out)
        directory = os.path.join(out, "session")
        process = session.start(build, directory, program, ["-kernel", os.path.join(out, source), *guests.EXIT, *arguments], guests.INSIDE)
        session.finish(process, 120)
        said = keeps(" ".join(["QEMU,", source, program[12:], *arguments]), directory)
        check.ok(f"QEMU, {source}: something was checked", said["sites"] > 0 and not [r for r in said["rings"] if r["checked"] != r["records"]], said)
    path = guests.assemble("hits32", out)
    places = hits.write(os.path.join(out, "annotated"), hits.places(hits.symbols(path)))
    for options in f",annotated={places}", f",annotated={places},capacity=16":
        s, counters = hits.boot(build, out, guests.X86_64, options)
        said = keeps(f"QEMU, hits32{options.replace(places, '')}", s.directory)
        check.equal("QEMU, hits32: the same counts by another reader", [sum(r[n] for r in said["rings"]) for n in ("traps", "hits", "dropped_records")],
                    [counters[n] for n in ("counted", "hits-counted", "dropped-records")])


def live(build, out):
    guests.assemble("busy32", out)
    process, s = ends.start(build, out, "busy32")
    ends.wait_for_records(s)
    check.equal("contract: QEMU, in the middle of its run", keeps("QEMU, busy32", s.directory)["rings"][0]["state"], "open")
    process.kill()
    process.wait()
    status, said = verdict(s.directory)
    check.equal("contract: QEMU, killed", (status, list(said["counts"]), said["rings"][0]["state"]), (21, ["RingNotClosed"], "abandoned"))

    process, s = ends.start(build, out, "busy32", ",capacity=65536")
    follower = subprocess.Popen([reheat, "wedge", "check", s.directory, "--follow", "--json"], stdout=subprocess.PIPE, text=True)
    ends.wait_for_records(s)
    process.send_signal(signal.SIGTERM)
    process.wait(30)
    said = json.loads(follower.communicate(timeout=60)[0])
    check.equal("contract: QEMU, followed to its end", (follower.returncode, said["rings"][0]["state"], said["violations"]), (0, "closed", []))


def all(build, out):
    header(out)
    example(out)
    qemu(build, out)
    live(build, out)
