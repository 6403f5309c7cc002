"""The compile commands that kbuild recorded, to run them again one by one."""
import os
import re


class Command:
    def __init__(self, name, text):
        self.name, self.text = name, text

    def to(self, output, mode="-c"):
        """The same command with another output: an object, or with -S assembly. Dependencies go beside it."""
        text = re.sub(r"-Wp,-MMD,\S+", f"-Wp,-MMD,{output}.d", self.text)
        return text.replace(f" -c -o {self.name} ", f" {mode} -o {output} ")


def commands(tree):
    """{object: Command} of all that gcc compiled from C or assembly source."""
    found = {}
    for directory, _, files in os.walk(tree):
        for file in files:
            if not (file.startswith(".") and file.endswith(".o.cmd")):
                continue
            with open(os.path.join(directory, file)) as lines:
                match = re.match(r"(?:save)?cmd_(\S+) := (gcc .*? -c -o (\S+) \S+\.[cS])(?:\s*;.*)?$", lines.readline().rstrip())
            # Programs of the build machine are not the kernel's.
            if match and match.group(1) == match.group(3) and not match.group(1).startswith(("/", "scripts/", "tools/")):
                found[match.group(1)] = Command(match.group(1), match.group(2).replace("$(pound)", "#").replace("$$", "$"))
    return found
