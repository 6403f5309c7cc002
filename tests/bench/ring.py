"""The ring from both sides, each beside its baseline of the same run. Times are processor time of the thread that is measured, which holds on a
machine that others use too; wall time is told beside it."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "wedge"))
import check  # noqa: E402

PUSH_LIMIT_NS, READ_LIMIT_MILLION = 20, 20
MAP = os.path.join(check.ROOT, "tests/Reheat.Loop.Tests/Machine/pc-e1000-vga.mtree.txt")


def place(out, bytes_wanted):
    """Where wedges keep their rings, if there is room: a disk under the mapping would be measured too."""
    shared = "/dev/shm"
    if os.path.isdir(shared) and os.statvfs(shared).f_bavail * os.statvfs(shared).f_frsize > bytes_wanted:
        return tempfile.TemporaryDirectory(prefix="reheat-ring-", dir=shared)
    return tempfile.TemporaryDirectory(prefix="reheat-ring-", dir=out)


def verdict(value, met):
    return f"{value} ({'met' if met else 'NOT met'})"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--records", type=int, default=1 << 20, help="records of the ring, a power of two")
    parser.add_argument("--seconds", type=float, default=3, help="how long the producer floods the ring while it is read")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="reheat-bench-") as out, place(out, 3 * options.records * 32) as shared:
        ring = os.path.join(out, "ring")
        check.run("gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-I", os.path.join(check.ROOT, "services/wedges/include"),
                  "-o", ring, os.path.join(HERE, "ring/ring.c"))
        check.run("dotnet", "build", os.path.join(HERE, "ring"), "-c", "Release", "-nologo", "-v", "quiet")
        bench = os.path.join(HERE, "ring/bin/Release/net10.0/Reheat.RingBench")
        push = json.loads(check.run(ring, "push", options.records, options.rounds))
        still, filled = os.path.join(shared, "still"), os.path.join(shared, "filled")
        check.run(ring, "fill", still, options.records)
        fold = json.loads(check.run(bench, "fold", still, MAP, options.rounds))
        producer = subprocess.Popen([ring, "flood", filled, str(options.records), str(options.seconds)])
        drain = json.loads(check.run(bench, "drain", filled, MAP))
        producer.wait()
    result = {"bench": "ring", "processors": os.cpu_count(), "push": push, "fold": fold, "drain": drain,
              "push_ratio_to_memcpy": round(push["push_ns"] / push["memcpy_ns"], 2), "fold_ratio_to_sum": fold["ratio"]}
    print(f"push: {push['push_ns']} ns a record alone, {push['push_beside_consumer_ns']} ns beside a consumer that reads as the agent does "
          f"({push['dropped_beside_consumer']} dropped), {push['push_beside_spinning_ns']} ns beside one that spins ({push['dropped_beside_spinning']} dropped); "
          f"memcpy of 32 bytes {push['memcpy_ns']} ns, ratio {result['push_ratio_to_memcpy']}; limit {PUSH_LIMIT_NS} ns: "
          f"{verdict(push['push_beside_consumer_ns'], max(push['push_ns'], push['push_beside_consumer_ns']) <= PUSH_LIMIT_NS)}")
    print(f"fold: {fold['fold_ns']} ns a record of {fold['records']} at {fold['sites']} sites, {fold['million_per_cpu_second']} million a second "
          f"({fold['million_per_wall_second']} by the wall); a plain sum {fold['sum_ns']} ns, ratio {fold['ratio']}; "
          f"limit {READ_LIMIT_MILLION} million: {verdict(fold['million_per_cpu_second'], fold['million_per_cpu_second'] >= READ_LIMIT_MILLION)}")
    print(f"drain: {drain['records']} records of a producer at full speed, {drain['million_per_cpu_second']} million a second while reading "
          f"({drain['million_per_wall_second']} by the wall), {drain['dropped_records']} dropped")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


main()
