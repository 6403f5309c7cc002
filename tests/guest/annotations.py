"""The list of a boot against objdump of the same vmlinux: same address, same instruction."""
import json
import re
import subprocess

import check
from loop import Loop

NUMBER = re.compile(r"-?(?:0x[0-9a-f]+|\b\d+)")
BUILD_ID = re.compile(r"Build ID: ([0-9a-f]+)")


def plain(text):
    """An instruction without what may be written in two ways: numbers are decimal, large ones and symbols are sym."""
    text = re.sub(r"\s*(#|<).*", "", text.strip().replace("\t", " "))
    text = re.sub(r"\s+", " ", re.sub(r",\s+", ",", text))

    def number(match):
        value = int(match.group().replace("-", ""), 0) * (-1 if match.group().startswith("-") else 1)
        return str(value) if abs(value) < 4096 else "sym"
    # A byte of -3 is one of 253.
    text = re.sub(r"^((?:lock )?\w+b \$)(-\d+)(?=,)", lambda m: m.group(1) + str(int(m.group(2)) & 0xff), text)
    # Registers hold digits too: only what follows a non-word character is a number.
    text = re.sub(r"(?<![\w%])-?(?:0x[0-9a-f]+|\d+)(?!\w)", number, text)
    text = text.replace("sym(%rip)", "sym").replace(",1)", ")")
    text = re.sub(r"(?<=[ ,:])0\(%", "(%", text)    # %rbp and %r13 have a displacement, be it 0
    return re.sub("%[de]s:", "", text)   # the segments that are meant anyway


def disassembly(vmlinux, addresses):
    """address → instruction, as objdump writes it with suffixes"""
    found = {}
    dump = subprocess.Popen(["objdump", "-d", "-M", "suffix", "--no-show-raw-insn", vmlinux], stdout=subprocess.PIPE, text=True)
    for line in dump.stdout:
        head, colon, text = line.partition(":\t")
        if colon:
            address = int(head, 16)
            if address in addresses:
                found[address] = text
    dump.wait()
    return found


def all(guest):
    with Loop(guest) as loop:
        status, _, errors = loop.end(loop.begin())
        if not check.equal("list: boot", status, 0):
            print(errors)
            return
        path = f"{loop.directory}/list"
        loop.reheat("annotations", "pull", "--wait", "-o", path)
        body = open(path).read().splitlines()
        provenance = [json.loads(line) for line in open(path + ".provenance")]
        sites = [line for line in provenance if "address" in line]
        count = int(body[-1].split()[1])
        check.ok("list: a real number of annotations", count > 100, count)
        check.equal("list: one line of provenance a site", len(sites), count)

        # What the list says of each site, by unit, function, fingerprint and ordinal.
        said, unit, function = {}, "", ""
        for line in body:
            word, _, rest = line.strip().partition(" ")
            if word == "unit":
                unit = rest
            elif word == "function":
                function, fingerprint = rest.rsplit(" ", 1)
            elif word.isdigit():
                said[(unit, function, fingerprint, int(word))] = rest.split(" | ", 1)[1]
        found = disassembly(guest.vmlinux, {int(site["address"], 16) for site in sites})
        wrong = []
        for site in sites:
            key = (site["unit"], site["function"], site["fingerprint"], site["ordinal"])
            ours, theirs = said.get(key), found.get(int(site["address"], 16))
            if ours is None or theirs is None or plain(ours) != plain(theirs):
                wrong.append(f"{site['address']}: the list has {ours!r}, objdump {theirs!r}")
        check.equal(f"list: all {count} sites are where objdump has the same instruction", wrong[:5], [])

        build_id = BUILD_ID.search(check.run("readelf", "-n", guest.vmlinux)).group(1)
        check.ok("list: names the image's build-id as readelf does", any(build_id in json.dumps(line) for line in provenance[:1]), provenance[:1])

        again = f"{loop.directory}/again"
        loop.reheat("annotations", "pull", "--wait", "-o", again)
        check.equal("list: the same traces, the same bytes", open(again).read(), open(path).read())
        refused = loop.sql("SELECT DISTINCT state FROM reheat.residual_sites WHERE state LIKE 'refused%' ORDER BY 1").splitlines()
        print("      refused for:", ", ".join(state.removeprefix("refused: ") for state in refused) or "nothing")
        mismatched = loop.sql("SELECT count(*) FROM reheat.sites WHERE state IN ('refused: operation-mismatch', 'refused: size-mismatch', "
                              "'refused: bytes-differ', 'refused: not-an-instruction', 'refused: outside-function', 'refused: outside-image')")
        check.equal("list: no trace contradicts the image", mismatched, "0")
