#!/usr/bin/env python3
"""
Records what tests/kvm/record.sh records on a machine without /dev/kvm: on a KVM host that runs in QEMU, which emulates AMD's SVM (a minute or two).

    nested.py DIR [--linux BZIMAGE --initrd INITRAMFS]

The host is Debian's kernel with this machine's root file system, read only. With --linux it also records a 64-bit Linux that boots as its guest, for
as long as --seconds says: DIR/linux.txt.
"""
import argparse
import gzip
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("REHEAT_CACHE") or pathlib.Path.home() / ".cache/reheat") / "kvm-host"
MODULES = ["virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "netfs", "fscache", "9pnet", "9pnet_virtio", "9p", "irqbypass", "ccp", "kvm", "kvm-amd"]
EVENTS = "kvm:kvm_exit,kvm:kvm_page_fault,kvm:kvm_emulate_insn,kvm:kvm_mmio,kvm:kvm_fast_mmio"

INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc none /proc; $b mount -t sysfs none /sys; $b mount -t devtmpfs none /dev
for m in MODULES; do $b insmod /$m.ko; done
o=trans=virtio,version=9p2000.L
$b mount -t 9p -o $o,ro,cache=loose root /root || $b poweroff -f
$b mount -t proc none /root/proc; $b mount -t sysfs none /root/sys; $b mount -t devtmpfs none /root/dev
$b mount -t tracefs none /root/sys/kernel/tracing; $b mount -t tmpfs none /root/tmp; $b mkdir /root/tmp/here
$b mount -t 9p -o $o,cache=none work /root/tmp/here
$b chroot /root /bin/sh /tmp/here/inside.sh
$b sync; $b poweroff -f
"""

INSIDE = """export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp REHEAT_KVM_PREPARED=/tmp/here/prepared
cd /tmp
/tmp/here/record.sh /tmp/here/out
"""

LINUX = """perf record -q -m 4096 -e {events} -o perf.data timeout {seconds} qemu-system-x86_64 -accel kvm -cpu qemu64 -m 192 -display none -serial none -vga none \\
    -no-reboot -nic user,model=e1000 -kernel /tmp/here/bzImage -initrd /tmp/here/initrd -append "panic=-1 nokaslr quiet"
perf script -i perf.data >/tmp/here/out/linux.txt
"""


def fetch():
    """Debian's kernel and a static busybox, unpacked in the cache."""
    done = CACHE / "complete"
    if not done.exists():
        shutil.rmtree(CACHE, ignore_errors=True)
        CACHE.mkdir(parents=True)
        depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], check=True, capture_output=True, text=True).stdout
        kernel = next(line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line)
        subprocess.run(["apt-get", "download", kernel, "busybox-static"], check=True, cwd=CACHE)
        for package in CACHE.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, CACHE / "root"], check=True)
            package.unlink()
        done.touch()
    root = CACHE / "root"
    modules = {path.stem: path for path in root.rglob("*.ko")}
    return next((root / "boot").glob("vmlinuz-*")), root / "bin/busybox", [modules[name] for name in MODULES]


def archive(entries):
    """A cpio archive of (name, mode, contents, device)."""
    out = bytearray()
    for inode, (name, mode, data, device) in enumerate([*entries, ("TRAILER!!!", 0, b"", (0, 0))], 1):
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--linux", type=pathlib.Path)
    parser.add_argument("--initrd", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=300)
    options = parser.parse_args()
    kernel, busybox, modules = fetch()
    none = (0, 0)
    entries = [(name, 0o40755, b"", none) for name in ("bin", "proc", "sys", "dev", "root")]
    entries += [("dev/console", 0o20600, b"", (5, 1)), ("bin/busybox", 0o100755, busybox.read_bytes(), none), ("init", 0o100755, INIT.replace("MODULES", " ".join(MODULES)).encode(), none)]
    entries += [(path.name, 0o100644, path.read_bytes(), none) for path in modules]
    with tempfile.TemporaryDirectory(prefix="reheat-nested-") as work:
        work = pathlib.Path(work)
        (work / "prepared").mkdir()
        (work / "out").mkdir()
        subprocess.run([HERE / "record.sh", "--prepare", work / "prepared"], check=True)
        shutil.copy(HERE / "record.sh", work)
        inside = INSIDE
        if options.linux:
            shutil.copy(options.linux, work / "bzImage")
            shutil.copy(options.initrd, work / "initrd")
            inside += LINUX.format(events=EVENTS, seconds=options.seconds)
        (work / "inside.sh").write_text(inside)
        (work / "initramfs").write_bytes(gzip.compress(archive(entries), 1))
        share = "security_model=none,multidevs=remap"
        subprocess.run(
            ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "EPYC,+svm,+npt", "-m", "1500", "-nographic", "-no-reboot", "-nic", "none", "-kernel", kernel,
             "-initrd", work / "initramfs", "-append", "console=ttyS0 panic=-1 quiet", "-virtfs", f"local,path=/,mount_tag=root,readonly=on,{share}",
             "-virtfs", f"local,path={work},mount_tag=work,{share}"],
            check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=1800 + options.seconds)
        texts = sorted((work / "out").glob("*.txt"))
        if len(texts) < 4 + bool(options.linux):
            sys.exit(f"recorded {len(texts)} of {4 + bool(options.linux)} texts; the host's console above says why")
        options.directory.mkdir(parents=True, exist_ok=True)
        for text in texts:
            shutil.copy(text, options.directory)
            print(options.directory / text.name)


if __name__ == "__main__":
    main()
