"""What a console says, without what differs from boot to boot."""
import re

STAMP = re.compile(r"^\[ *\d+\.\d+\] ?")
# Whether the timer could be measured in time is the load of the machine that the guest runs on.
MEASURED = re.compile(r"^tsc: |calibrat|clocksource: (?:timekeeping watchdog|Long readout)|^random: "
                      r"|APIC timer (?:disabled|verif)|lapic is not functional|[Cc]lockevents|one-shot mode|high resolution mode|clock: |hrtimer: |rcu: .*stall| took \d+ usecs$")
NUMBER = re.compile(r"\b(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*\b")


def lines(path):
    with open(path, "rb") as console:
        return console.read().decode(errors="replace").replace("\r", "").splitlines()


def transcript(path):
    """The lines that the guest's init prints: the same in every boot."""
    return [line for line in lines(path) if line.startswith("reheat:")]


def shapes(path):
    """The kernel's own lines, numbers and time stamps taken out."""
    plain = (STAMP.sub("", line).strip() for line in lines(path) if not line.startswith("reheat:"))
    return {NUMBER.sub("N", line) for line in plain if line and not MEASURED.search(line)}
