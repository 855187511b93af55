"""The system calls that the process of a model has no use for, refused by a filter in the kernel (seccomp).

Landlock and namespaces leave doors open that this closes: sockets of the host reached by their path, modes and owners
of files, limits and priorities of other processes, memory that outlives its process, programs and processes of its own.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterable

_LIBC = ctypes.CDLL(None, use_errno=True)
_MODE_FILTER, _SPEC_ALLOW = 1, 4  # with SPEC_ALLOW older kernels slow no branch down for the filter's sake
_KILL, _ALLOW, _ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_LOAD, _AND = 0x20, 0x54
_IS, _IS_ABOVE, _HAS_BITS, _RETURN = 0x15, 0x25, 0x45, 0x06
_NUMBER, _MACHINE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; arguments are 8 bytes, the low half first
_NEWEST = 462  # mseal; what a later kernel adds is answered as by one that does not know it
_CLONE_THREAD = 0x10000

# Source: linux/audit.h, asm/unistd_64.h, asm-generic/unistd.h. AUDIT_ARCH and the call `seccomp` of each machine.
_MACHINES = {"x86_64": (0xC000003E, 317), "aarch64": (0xC00000B7, 277)}

# Numbers on x86_64 and aarch64, None where there is no such call.
# fmt: off
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # programs and processes of its own
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "setpgid": (109, 154), "setsid": (112, 157), "unshare": (272, 97), "setns": (308, 268),
    # other processes: their memory, descriptors, signals, limits, priorities
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "setpriority": (141, 140),
    "ioprio_set": (251, 30), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274), "migrate_pages": (256, 238), "move_pages": (279, 239),
    # sockets: the one it serves at is bound already
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200),
    # modes, owners, times and attributes of files, which Landlock leaves alone, and watching them
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "inotify_init": (253, None), "inotify_init1": (294, 26), "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # memory that no limit counts, or that outlives the process
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # wide doors into the kernel
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "mount_setattr": (442, 442),
    "personality": (135, 92), "modify_ldt": (154, None), "quotactl": (179, 60), "syslog": (103, 116),
}
# fmt: on
_CLONE, _CLONE3, _SOCKETPAIR = (56, 220), (435, 435), (53, 199)
# Allowed for these values of one argument only; OWN stands for this process.
_OWN = -1
_ONLY = {
    "kill": ((62, 129), 0, (_OWN,)),
    "tgkill": ((234, 131), 0, (_OWN,)),
    "prlimit64": ((302, 261), 0, (0, _OWN)),
    "sched_setaffinity": ((203, 122), 0, (0,)),
}
# Refused for these values of one argument: the parent-death signal; signals to others by way of a descriptor.
_BUT = {
    "prctl": ((157, 167), 0, (1,)),
    "fcntl": ((72, 25), 1, (8, 10, 15)),
    "ioctl": ((16, 29), 1, (0x8901, 0x8902, 0x5412)),
}
_UNIX, _STREAM, _KIND_OF_SOCKET = 1, 1, 0xF

Step = tuple[int, int, int, int]  # operation, jump where true, jump where false, operand


def refuse_calls() -> bool:
    """Refuse the calls above to this process from now on; gives False where the system has no such filter.

    The process must have one thread. A filter can never be taken off again.
    """
    machine = platform.machine()
    if machine not in _MACHINES:
        return False
    audit_arch, seccomp = _MACHINES[machine]
    steps = list(_program(list(_MACHINES).index(machine), audit_arch))
    program = b"".join(struct.pack("<HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(steps), ctypes.addressof(buffer))
    return bool(_LIBC.syscall(seccomp, _MODE_FILTER, _SPEC_ALLOW, header) == 0)


def _program(column: int, audit_arch: int) -> Iterable[Step]:
    yield (_LOAD, 0, 0, _MACHINE)
    yield (_IS, 1, 0, audit_arch)
    yield _give(_KILL)
    yield (_LOAD, 0, 0, _NUMBER)
    yield from _where((_IS_ABOVE, _NEWEST), [_give(_ERRNO | _ENOSYS)])  # the calls of x32 lie there too
    yield from _where((_IS, _CLONE3[column]), [_give(_ERRNO | _ENOSYS)])  # its flags cannot be read: libc then clones
    for numbers in _REFUSED.values():
        number = numbers[column]
        if number is not None:
            yield from _where((_IS, number), [_give(_ERRNO | _EPERM)])
    for numbers, argument, values in _ONLY.values():
        yield from _where((_IS, numbers[column]), _choose(argument, values, found=_ALLOW, else_=_ERRNO | _EPERM))
    for numbers, argument, values in _BUT.values():
        yield from _where((_IS, numbers[column]), _choose(argument, values, found=_ERRNO | _EPERM, else_=_ALLOW))
    threads = [_argument(0), (_HAS_BITS, 1, 0, _CLONE_THREAD), _give(_ERRNO | _EPERM), _give(_ALLOW)]
    yield from _where((_IS, _CLONE[column]), threads)
    yield from _where((_IS, _SOCKETPAIR[column]), _pairs())
    yield _give(_ALLOW)


def _pairs() -> list[Step]:
    """Allow pairs of streams, which lead nowhere; a datagram socket could be pointed at any path afterwards."""
    kind = [_argument(1), (_AND, 0, 0, _KIND_OF_SOCKET), *_where((_IS, _STREAM), [_give(_ALLOW)])]
    return [_argument(0), *_where((_IS, _UNIX), kind), _give(_ERRNO | _EPERM)]


def _where(test: tuple[int, int], steps: list[Step]) -> list[Step]:
    """Take the steps only where the test holds."""
    return [(test[0], 0, len(steps), test[1]), *steps]


def _choose(argument: int, values: Iterable[int], *, found: int, else_: int) -> list[Step]:
    wanted = [os.getpid() if value == _OWN else value for value in values]
    return [_argument(argument), *(s for value in wanted for s in _where((_IS, value), [_give(found)])), _give(else_)]


def _argument(place: int) -> Step:
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * place)


def _give(answer: int) -> Step:
    return (_RETURN, 0, 0, answer)
