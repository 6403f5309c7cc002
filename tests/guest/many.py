"""A kernel with as many sites as anyone will annotate, sensitive instructions among them: it links without a warning, and boots."""
import os
import shutil

import check
import consoles
import lists
from loop import Loop
from second import Tree, boot

SITES = 20000
MOST_OF_A_FUNCTION = 15


def all(guest):
    with Loop(guest) as loop:
        directory = os.path.join(loop.directory, "linux")
        first_kernel = guest.vmlinux, guest.kernel
        try:
            boot(loop, "plain")
            plain = consoles.transcript(loop.console)
            tree = Tree(guest, directory)
            units = lists.kernel(tree.path, 1 << 20, MOST_OF_A_FUNCTION)
            body = os.path.join(loop.directory, "many.list")
            listed = lists.write(body, units)
            result, _, noise = tree.second_pass(loop, body, "--class1")
            print(f"      {result['annotated']} of {listed} listed sites and {result['class1_annotated']} sensitive instructions annotated, "
                  f"{result['objects_rebuilt']} objects rebuilt in {result['make_seconds']} s; refused {result['refused_by_reason']}, lost {result['lost_by_reason']}")
            check.ok(f"at least {SITES} sites", result["annotated"] >= SITES, result["annotated"])
            check.ok("sensitive instructions, in C and assembly", result["class1_annotated"] > 300, result["class1_annotated"])
            check.equal("no warning of objtool, modpost or the linker", noise, [])
            guest.vmlinux, guest.kernel = tree.vmlinux, tree.kernel
            loop.reheat("builds", "add", "--series", "test", tree.vmlinux)
            boot(loop, "annotated")
            check.equal("the transcript is that of the plain kernel", consoles.transcript(loop.console), plain)
        finally:
            guest.vmlinux, guest.kernel = first_kernel
            shutil.rmtree(directory, ignore_errors=True)
