"""Three costs of the assembler stage, each beside its baseline of the same run. CPU seconds hold on a machine that others use too."""
import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for folder in "wedge", "second":
    sys.path.insert(0, os.path.join(HERE, "..", folder))
import check  # noqa: E402
import lists  # noqa: E402
from kernel import environment  # noqa: E402
from recorded import commands  # noqa: E402

CAPTURE = """#!/bin/sh
# Keeps what a compiler gives its assembler.
for last; do :; done
case $last in *.s) cp "$last" "$REHEAT_CAPTURE.s" ;; esac
printf '%s\\n' "$@" >"$REHEAT_CAPTURE.args"
exec /usr/bin/as "$@"
"""


def measure(command, env, cwd):
    """(CPU seconds, wall seconds) of a command and all that it starts."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, wall


def pass_through(tree, library, options, out):
    """(a) whole compiles, with the stand-in and without, one after the other."""
    recorded = commands(tree)
    names = sorted(random.Random(1).sample(sorted(recorded), min(options.objects, len(recorded))))
    plain, through, ratios = 0.0, 0.0, []
    for number in range(options.rounds):
        here = [0.0, 0.0]
        for i, name in enumerate(names):
            command = ["sh", "-c", recorded[name].to(os.path.join(out, "a.o"))]
            both = [environment(), {**environment(), "COMPILER_PATH": library}]
            for which in ((0, 1) if (i + number) % 2 else (1, 0)):      # neither is always the first
                here[which] += measure(command, both[which], tree)[0]
        plain, through = plain + here[0], through + here[1]
        ratios.append(here[1] / here[0])
        print(f"no list, round {number}: {len(names)} compiles, without {here[0]:.2f} s CPU, with {here[1]:.2f} s, ratio {ratios[-1]:.4f}", flush=True)
    return {"objects": len(names), "rounds": options.rounds, "without_cpu_seconds": round(plain, 3), "with_cpu_seconds": round(through, 3),
            "ratio": round(through / plain, 4), "ratio_median": round(statistics.median(ratios), 4)}


def with_sites(tree, library, annotations, units, options, out):
    """(b) the assembly of every object with sites, through as and through reheat-as."""
    capture = os.path.join(out, "capture")
    os.makedirs(capture)
    with open(os.path.join(capture, "as"), "w") as file:
        file.write(CAPTURE)
    os.chmod(file.name, 0o755)
    recorded = commands(tree)
    texts = []
    for unit in sorted(units):
        name = unit.rsplit(".", 1)[0] + ".o"
        if name not in recorded:
            continue
        kept = os.path.join(out, name.replace("/", "_"))
        subprocess.run(["sh", "-c", recorded[name].to(kept)], cwd=tree, capture_output=True,
                       env={**environment(), "COMPILER_PATH": capture, "REHEAT_CAPTURE": kept})
        if os.path.exists(f"{kept}.s"):
            arguments = open(f"{kept}.args").read().splitlines()
            output = arguments.index("-o") + 1
            # The output's name says which unit it is.
            texts.append(([*arguments[:output], os.path.join(out, name), *arguments[output + 1:-1], f"{kept}.s"], os.path.dirname(os.path.join(out, name))))
    for _, directory in texts:
        os.makedirs(directory, exist_ok=True)
    sums = {"as": [0.0, 0.0], "reheat_as": [0.0, 0.0]}
    report = os.path.join(out, "report")
    env = {**environment(), "REHEAT_ANNOTATIONS": annotations, "REHEAT_REPORT": report}
    for number in range(options.rounds):
        if os.path.exists(report):
            os.unlink(report)
        for arguments, _ in texts:
            for name, program in (("as", "/usr/bin/as"), ("reheat_as", os.path.join(library, "as"))):
                cpu, wall = measure([program, *arguments], env, tree)
                sums[name][0] += cpu
                sums[name][1] += wall
    lines = [json.loads(line) for line in open(report)]
    result = {"objects": len(texts), "rounds": options.rounds, "sites": sum(x["annotated"] for x in lines),
              "as_cpu_seconds": round(sums["as"][0], 3), "reheat_as_cpu_seconds": round(sums["reheat_as"][0], 3),
              "cpu_ratio": round(sums["reheat_as"][0] / sums["as"][0], 3), "wall_ratio": round(sums["reheat_as"][1] / sums["as"][1], 3)}
    print(f"with sites: {result['objects']} objects, {result['sites']} sites annotated: as {result['as_cpu_seconds']} s CPU, reheat-as {result['reheat_as_cpu_seconds']} s, "
          f"ratio {result['cpu_ratio']} (wall {result['wall_ratio']})", flush=True)
    return result


def passes(tree, prefix, annotations):
    """(c) a first build and a second pass of one tree."""
    jobs = f"-j{os.cpu_count()}"
    subprocess.run(["make", "-s", "clean"], cwd=tree, env=environment(), check=True, capture_output=True)
    first = measure(["make", "-s", jobs], environment(), tree)
    print(f"first build: {first[1]:.1f} s ({first[0]:.1f} s CPU)", flush=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([f"{prefix}/bin/reheat", "make", "-a", annotations, "--json", "--", "-s", jobs], cwd=tree, env=environment(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"reheat make: exit {done.returncode}\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = json.loads(done.stdout)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    print(f"second pass: {said['seconds']:.1f} s ({cpu:.1f} s CPU), {said['objects_rebuilt']} of {said['objects']} objects, {said['annotated']} sites", flush=True)
    return {"first_build_seconds": round(first[1], 2), "first_build_cpu_seconds": round(first[0], 2), "second_pass_seconds": said["seconds"],
            "second_pass_cpu_seconds": round(cpu, 2), "scan_seconds": said["scan_seconds"], "objects": said["objects"], "objects_rebuilt": said["objects_rebuilt"],
            "annotated": said["annotated"], "ratio": round(said["seconds"] / first[1], 4), "cpu_ratio": round(cpu / first[0], 4)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--objects", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--units", type=int, default=30, help="units of the list that is made without --annotations")
    parser.add_argument("--variant", default="tiny")
    parser.add_argument("--annotations")
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    prefix = os.path.abspath(options.prefix)
    library = os.path.join(prefix, "lib/reheat")
    with tempfile.TemporaryDirectory(prefix="reheat-bench-") as out:
        tree = os.path.join(out, "linux")
        check.run(os.path.join(check.ROOT, "deploy/guests/linux/build.sh"), "--variant", options.variant, "--copy-to", tree)
        annotations = options.annotations and os.path.abspath(options.annotations)
        if annotations:
            units = [line.split()[1] for line in open(annotations) if line.startswith("unit ")]
        else:
            annotations = os.path.join(out, "list")
            units = lists.kernel(tree, options.units)
            lists.write(annotations, units)
        work = os.path.join(out, "work")
        os.makedirs(work)
        result = {"bench": "assemble", "processors": os.cpu_count(), "kernel": options.variant, "list": os.path.basename(options.annotations or "made for this"),
                  "no_list": pass_through(tree, library, options, work), "with_sites": with_sites(tree, library, annotations, units, options, work)}
        shutil.rmtree(work)
        if not options.quick:
            result["second_pass"] = passes(tree, prefix, annotations)
    print(json.dumps(result, indent=2))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=2)
            file.write("\n")


main()
