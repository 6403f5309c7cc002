"""The Linux that the boots use: REHEAT_KERNEL and REHEAT_INITRD, or the newest that the guests' build left in the
cache, or Debian's cloud kernel, which boots as far as it can without a root."""
import glob
import os

import check

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "reheat")


def newest(pattern):
    return max(glob.glob(os.path.join(CACHE, pattern)), key=os.path.getmtime, default=None)


def debian():
    directory = os.path.join(CACHE, "debian-cloud")
    if not glob.glob(f"{directory}/boot/vmlinuz-*"):
        os.makedirs(directory, exist_ok=True)
        package = next(line.split()[1] for line in check.run("apt-cache", "depends", "linux-image-cloud-amd64").splitlines()
                       if "Depends: linux-image" in line)
        check.run("apt-get", "download", package, cwd=directory)
        for archive in glob.glob(f"{directory}/*.deb"):
            check.run("dpkg", "-x", archive, directory)
            os.unlink(archive)
    return glob.glob(f"{directory}/boot/vmlinuz-*")[0]


def find():
    """(kernel, initrd or None)"""
    if os.environ.get("REHEAT_KERNEL"):
        return os.environ["REHEAT_KERNEL"], os.environ.get("REHEAT_INITRD")
    complete = newest("guests/linux-tiny-*/complete")
    initrd = newest("guests/init-x86_64-*/initramfs.cpio.gz")
    if complete and initrd:
        return os.path.join(os.path.dirname(complete), "bzImage"), initrd
    return debian(), None


def arguments(processors, append=""):
    kernel, initrd = find()
    return ["-accel", "tcg,thread=multi", "-smp", str(processors), "-m", "512", "-vga", "std",
            "-netdev", "user,id=n", "-device", "e1000,netdev=n", "-serial", "stdio", "-kernel", kernel,
            *(["-initrd", initrd] if initrd else []), "-append", f"console=tty0 console=ttyS0 panic=-1 {append}"]
