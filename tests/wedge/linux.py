"""Page tables of a Linux. Three accounts of one boot are laid beside each other: the wedge's records, those of a second plugin that
asks QEMU about every access, and the kernel's own of which frames are page tables."""
import bisect
import os
import re
import shutil
import struct
import subprocess
import time
from collections import Counter

import check
import kernel
import session
import truth
from tables import NAMES

KERNEL = "inside=0xffffffff80000000-0xffffffffff000000"
EVENT = struct.Struct("<QQIBBBx")


class Boot:
    """A Linux under the second plugin and the wedge, stopped now and then to ask the kernel."""

    def __init__(self, build, out, processors, append="", pause=0.4, further=()):
        self.build, self.directory = build, os.path.join(out, f"boot-{processors}")
        shutil.rmtree(self.directory, ignore_errors=True)
        os.makedirs(self.directory)
        self.path = lambda name: os.path.join(self.directory, name)
        witness = self.path("witness.so")
        check.run("gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden", "-shared", "-o", witness, os.path.join(check.HERE, "witness.c"))
        image, _ = kernel.find()
        self.linux = None
        self.vmlinux = os.path.join(os.path.dirname(image), "vmlinux")
        self.session = session.Session(build, self.path("session"))
        arguments = ["-plugin", f"{build}/libreheat-qemu.so,dir={self.path('session')},{KERNEL},tables=all,frames={self.path('frames')},capacity=8388608",
                     "-plugin", f"{witness},frames={self.path('frames')},out={self.path('events')},low=0xffffffff80000000",
                     "-object", f"memory-backend-file,id=ram,size=512M,share=on,mem-path={self.path('ram')}", "-machine", "pc,memory-backend=ram",
                     "-qmp", f"unix:{self.path('qmp')},server=on,wait=off", *further,
                     *kernel.arguments(processors, f"nokaslr no_timer_check {append}")]
        self.stray, self.missed, self.other, self.missing, self.samples, self.unloaded = {}, {}, {}, {}, 0, 0
        with open(self.path("console"), "wb") as console:
            process = subprocess.Popen(["qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot", *arguments],
                                       stdout=console, stderr=console, stdin=subprocess.DEVNULL, env=session.watched(build))
        try:
            self.watch(process, pause)
            self.status = process.wait(300)
        finally:
            process.kill()

    def watch(self, process, pause):
        while not os.path.exists(self.path("qmp")) and process.poll() is None:
            time.sleep(0.02)
        try:
            monitor = truth.Monitor(self.path("qmp"))
            while process.poll() is None:
                time.sleep(pause)
                monitor.execute("stop")
                self.sample(monitor)
                monitor.execute("cont")
        except (OSError, EOFError):
            pass    # it has ended

    def sample(self, monitor):
        self.linux = self.linux or truth.Linux(self.vmlinux, self.path("ram"))
        if not self.linux.is_up(monitor):
            return
        loaded, known = self.linux.account(monitor)
        with open(self.path("frames"), "rb") as file:
            marked = {frame: level for frame, level in enumerate(file.read()) if level}
        self.samples += 1
        self.stray.update({hex(f): NAMES[marked[f] - 1] for f in marked.keys() - known.keys()})
        # A processor that was stopped between a load of CR3 and its next access has not been looked at; it will be by the next time.
        missing = {f: level for f, level in loaded.items() if f not in marked}
        self.missed.update({hex(f): NAMES[level - 1] for f, level in missing.items() if f in self.missing})
        self.missing = missing
        self.other.update({hex(f): (marked[f], known[f]) for f in marked.keys() & known.keys() if marked[f] != known[f]})
        self.unloaded += len(known.keys() - marked.keys())

    def events(self):
        """(stores, loads) that the second plugin saw: {(ip, physical, size, name): times}"""
        stores, loads = Counter(), Counter()
        with open(self.path("events"), "rb") as file:
            for ip, physical, _, size, store, level in EVENT.iter_unpack(file.read()):
                (stores if store else loads)[ip, physical, size, level - 1] += 1
        return stores, loads


# What a hand annotator would have to know of, and the functions of Linux 6.1 that do it: at least one of each group, whatever was inlined where. (The direct
# map is built in tables that no processor has loaded yet, which are none so far; what is done to it afterwards is here.)
KINDS = {"the tables that the kernel begins with": ("__early_make_pgtable",), "the fixmap before there is memory": ("__early_set_fixmap",),
         "the fixmap": ("native_set_fixmap", "__native_set_fixmap", "set_pte_vaddr"), "the direct map's attributes": ("__change_page_attr_set_clr", "__split_large_page"),
         "vmalloc": ("vmap_small_pages_range_noflush", "vmap_range_noflush"), "copy on write": ("wp_page_copy",), "taking apart": ("free_pgd_range",)}
CHANGES = re.compile(r"(lock )?(xchg|xadd|cmpxchg|bts|btr|btc|and|or|xor|add|sub|adc|sbb|inc|dec|not|neg)")


def kinds(name, vmlinux, records):
    """Which code it was: by the kernel's symbols and by objdump, which knows nothing of the wedge."""
    symbols = sorted((int(line[0], 16), line[2]) for line in (text.split() for text in check.run("nm", vmlinux).splitlines()) if line[1] in "tT")
    starts = [address for address, _ in symbols]
    stores = {r.ip: r.operation for r in records if r.operation != "pt-read"}
    functions = {symbols[bisect.bisect_right(starts, ip) - 1][1] for ip in stores}
    for what, by in KINDS.items():
        check.ok(f"{name}: {what}: recorded", functions & set(by), sorted(functions))
    changing = {}
    for line in check.run("objdump", "-d", "--no-show-raw-insn", vmlinux).splitlines():
        address, _, text = line.strip().partition(":\t")
        text = re.split("[#<]", text)[0].rstrip()
        if text and (ip := int(address, 16)) in stores:
            changing[ip] = bool(CHANGES.match(text)) and bool(re.search(r"\)$|[ ,]0x[0-9a-f]+$", text))
    check.equal(f"{name}: what loads and stores an entry at once is an exchange, and nothing else is, at {len(stores)} sites",
                {hex(ip): (operation, changing.get(ip)) for ip, operation in stores.items() if changing.get(ip) != (operation == "pt-exchange")}, {})
    check.ok(f"{name}: there are exchanges", any(changing.values()))


def compare(build, out, processors):
    def once():
        boot = Boot(build, out, processors)
        with open(boot.path("console"), errors="replace") as console:
            return boot.status, console.read(), boot

    _, text, boot = session.survived(once, processors)
    name = f"Linux, {processors} processors"
    check.ok(f"{name}: the guest's last word", boot.status == 0 and "reheat: done\n" in text.replace("\r", ""), text[-1000:])
    counters = boot.session.counters()
    check.equal(f"{name}: nothing dropped", counters["dropped"], 0)
    records = [r for r in boot.session.records() if r.operation.startswith("pt-")]
    exchanges = {r.ip for r in records if r.operation == "pt-exchange"}
    stored = Counter((r.ip, r.access, r.size, r.target) for r in records if r.operation != "pt-read")
    loaded = Counter((r.ip, r.access, r.size, r.target) for r in records if r.operation == "pt-read")
    stores, loads = boot.events()
    loads = Counter({key: n for key, n in loads.items() if key[0] not in exchanges})   # they load what they store to
    for what, mine, other in ("stores", stored, stores), ("loads", loaded, loads):
        more, less = mine - other, other - mine
        check.equal(f"{name}: {what} recorded = {what} that the second plugin saw, {sum(mine.values())}",
                    [(hex(k[0]), hex(k[1]), *k[2:], n) for k, n in list(more.items())[:3]] + [(hex(k[0]), hex(k[1]), *k[2:], -n) for k, n in list(less.items())[:3]], [])
    check.ok(f"{name}: a real number of stores, at all levels", sum(stored.values()) > 10000 and {k[3] for k in stored} == {0, 1, 2, 4}, Counter(NAMES[k[3]] for k in stored))
    if processors == 1:
        kinds(name, boot.vmlinux, records)
    check.ok(f"{name}: the kernel was asked, often", boot.samples > 5, boot.samples)
    check.equal(f"{name}: every frame taken for a table is one, says the kernel", boot.stray, {})
    check.equal(f"{name}: at its level", boot.other, {})
    check.equal(f"{name}: every table that a processor walks is taken for one", boot.missed, {})
    print(f"      {boot.samples} samples, {sum(stored.values())} stores, {sum(loaded.values())} loads, {boot.unloaded / max(1, boot.samples):.0f} tables not loaded yet")


def all(build, out):
    for processors in 1, 4:
        compare(build, out, processors)
