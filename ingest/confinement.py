"""What a process that parses may not do: reach a network, or run programs.

The kernel refuses it (a seccomp filter, which needs no privilege and cannot be taken back), so that it holds for native
libraries too. Where there is no such filter, the interpreter refuses what is asked of it.
"""

from __future__ import annotations

import ctypes
import platform
import struct
import sys
from errno import EPERM
from typing import Any

_MACHINES = {
    "x86_64": (0xC000003E, (41, 53, 59, 322, 101, 311, 425)),
    "aarch64": (0xC00000B7, (198, 199, 221, 281, 117, 271, 425)),
}
"""The kernel's numbers of: socket, socketpair, execve, execveat, ptrace, process_vm_writev, io_uring_setup."""
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | EPERM, 0x80000000
_X32_CALLS = 0x40000000
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_REFUSED_EVENTS = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "pty.spawn")


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def deny_network_and_programs() -> None:
    """Refuse both to this process, with PermissionError, for as long as it lives."""
    if not _filter_calls():
        sys.addaudithook(refuse_event)


def _filter_calls() -> bool:
    """Have the kernel refuse the calls; False where it knows no such filter."""
    if sys.platform != "linux" or platform.machine() not in _MACHINES:
        return False
    instructions = _instructions(*_MACHINES[platform.machine()])
    program = _Program(len(instructions) // 8, instructions)
    control = ctypes.CDLL(None, use_errno=True).prctl
    return control(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and control(_SECCOMP, _FILTER, ctypes.byref(program)) == 0


def _instructions(architecture: int, calls: tuple[int, ...]) -> bytes:
    """A filter of the kernel's: calls of another architecture kill, those listed are refused, others are allowed."""
    checks = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_IF_AT_LEAST, len(calls) + 1, 0, _X32_CALLS),
        *((_JUMP_IF_EQUAL, len(calls) - place, 0, call) for place, call in enumerate(calls)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *check) for check in checks)


def refuse_event(event: str, _arguments: tuple[Any, ...]) -> None:
    """An audit hook that raises PermissionError for what the filter would refuse, as far as Python code asks for it."""
    if event.startswith(_REFUSED_EVENTS):
        raise PermissionError(EPERM, f"A parser may not do this: {event}")
