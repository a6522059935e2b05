"""Starts a program as systemd would start a unit's: the port opened, the doors closed.

    python -m tests.systemd.sandbox darasa-box.service 8000 PROGRAM WORD…

Needs no systemd to be running: system calls are filtered by the same library, memory that
is writable and executable is refused by the kernel, capabilities are dropped. What only
systemd can do (its own view of the file system, address filters) is not here.
"""

import ctypes
import errno
import os
import socket
import sys

from tests.systemd.units import system_calls, values

ALLOW = 0x7FFF0000  # seccomp.h
REFUSE = 0x00050000 | errno.EPERM
EQUAL = 4
PR_CAPBSET_DROP = 24  # prctl(2)
PR_SET_MDWE = 65
CAPABILITIES_MAX = 64
FIRST_FD = 3  # sd_listen_fds(3)


class Compare(ctypes.Structure):
    """seccomp.h, scmp_arg_cmp: one argument of a system call against a number."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def main():
    unit, port, *command = sys.argv[1:]
    if port != "none":
        pass_socket(int(port))
    drop_capabilities()
    refuse_new_code()
    filter_system_calls(system_calls(unit), values(unit, "RestrictAddressFamilies")[0].split())
    os.execv(command[0], command)


def pass_socket(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    os.dup2(listener.detach(), FIRST_FD)
    os.set_inheritable(FIRST_FD, True)  # noqa: FBT003 -- dup2 of equal numbers does not
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}


def drop_capabilities():
    libc = ctypes.CDLL(None)
    for number in range(CAPABILITIES_MAX):  # numbers the kernel does not know are refused
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)


def refuse_new_code():
    """MemoryDenyWriteExecute; kernels before 6.3 cannot, and systemd takes another way."""
    ctypes.CDLL(None).prctl(PR_SET_MDWE, 1, 0, 0, 0)


def filter_system_calls(names, families):
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(REFUSE))
    for name in sorted(names - {"socket"}):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # below: not a call of this processor
            assert library.seccomp_rule_add_array(context, ALLOW, number, 0, None) == 0, name
    number = library.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        wanted = Compare(0, EQUAL, getattr(socket, family), 0)
        assert library.seccomp_rule_add_array(context, ALLOW, number, 1, ctypes.byref(wanted)) == 0
    assert library.seccomp_load(context) == 0


if __name__ == "__main__":
    main()
