#!/usr/bin/python3
"""Runs a program under the system calls, address families and memory of a unit, without systemd.

    sandbox.py UNIT PROGRAM [ARGUMENT]...

It is as systemd.exec(5) says: `SystemCallFilter=` is a list of what is allowed, and lines that
begin with `~` take from it. Needs Debian's python3-seccomp, and systemd-analyze for the groups.
"""

import ctypes
import errno
import os
import socket
import subprocess
import sys

import seccomp

PR_SET_MDWE = 65  # prctl(2), since Linux 6.3: stricter than the filter of systemd
MDWE_REFUSE_EXEC_GAIN = 1


def setting(unit, name):
    return [line.partition("=")[2] for line in unit if line.startswith(name + "=")]


def calls(name):
    """The system calls of a group, and of the groups in it."""
    if not name.startswith("@"):
        return {name}
    listed = subprocess.check_output(["systemd-analyze", "syscall-filter", name], text=True)
    words = [line.strip() for line in listed.splitlines()[1:]]
    return set().union(*(calls(word) for word in words if word and not word.startswith("#")))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        unit = file.read().splitlines()
    allowed = calls("@default")
    for line in setting(unit, "SystemCallFilter"):
        named = set().union(*(calls(word) for word in line.lstrip("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    rules = seccomp.SyscallFilter(defaction=seccomp.ERRNO(errno.EPERM))
    for name in sorted(allowed - {"socket"}):
        try:
            rules.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, OSError, ValueError):
            pass  # A call that this machine does not have.
    (families,) = setting(unit, "RestrictAddressFamilies")
    for family in families.split():
        number = getattr(socket, family).value
        rules.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, number))
    if setting(unit, "MemoryDenyWriteExecute") == ["yes"]:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        if prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
            sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
    rules.load()
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
