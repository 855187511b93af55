"""What a process gives up before it opens what somebody sent: a model, a file of rows. Linux; no torch, no Django.

It must run while the process has one thread: a user namespace wants that, and Landlock binds only the calling thread
and those it starts, so this comes before numpy and torch are imported.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import common
from common.sandbox.system_calls import refuse_calls

CODE = Path(common.__file__).resolve().parent.parent
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_NOBODY = 65534
_MAX_THREADS = 512  # torch starts one for each core, at most twice
_SYS_CREATE_RULESET, _SYS_ADD_RULE, _SYS_RESTRICT_SELF = 444, 445, 446
_RULESET_VERSION, _RULE_PATH_BENEATH = 1, 1
# Source: linux/landlock.h. Access to files up to each version of the interface: 13 kinds, refer, truncate, ioctl.
_FILE_ACCESS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 1, 1 << 2, 1 << 3, 1 << 14
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _TRUNCATE | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8  # with remove and make, folders and files
_OF_A_FILE = 1 | _WRITE_FILE | _READ_FILE | _TRUNCATE

_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/sys/devices/system"),
    *("/dev/urandom", "/dev/random", "/dev/zero"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/driver/nvidia"),
)
_DEVICES = ("/dev/null", "/dev/nvidiactl", "/dev/nvidia-uvm", *(f"/dev/nvidia{n}" for n in range(16)))
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "TZ")


def environment(*, threads: int, scratch: Path | None = None) -> dict[str, str]:
    """Give the whole environment of such a process: nothing of the parent's but what is named here."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return kept | {
        "LANG": "C.UTF-8",
        "HOME": str(scratch or "/nonexistent"),
        "TMPDIR": str(scratch or "/nonexistent"),
        "USER": "model",
        "PYTHONPATH": str(CODE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
        "TORCHINDUCTOR_CACHE_DIR": sys.prefix,  # likewise
    }


def command(module: str, *arguments: str) -> list[str]:
    """Give the command line of a module of ours; the current folder is never on the import path."""
    return [sys.executable, "-P", "-s", "-m", module, "--parent", str(os.getpid()), *arguments]


def confine(
    *,
    parent: int,
    readable: Sequence[Path],
    writable: Sequence[Path] = (),
    memory_bytes: int,
    file_bytes: int = 0,
    has_device: bool = False,
) -> list[str]:
    """Build the walls and give the names of those that this system has not (`network`, `files`, `system_calls`).

    With a device, what is written to is limited and not what is reserved: CUDA reserves more addresses than any limit.
    """
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    tempfile.tempdir = os.environ.get("TMPDIR")  # torch asks its name to load an exported program; nothing is written
    _be_killed_first()
    _limit(
        {
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_NOFILE: 1024,
            resource.RLIMIT_MSGQUEUE: 0,
            resource.RLIMIT_FSIZE: file_bytes,
            resource.RLIMIT_DATA if has_device else resource.RLIMIT_AS: memory_bytes,
        }
    )
    missing = [] if _leave_network() else ["network"]
    _drop_capabilities()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if not _restrict_files(readable, writable):
        missing.append("files")
    die_with(parent)  # a new user namespace clears the signal
    if not refuse_calls():  # last: what built the walls is refused too
        missing.append("system_calls")
    return missing


def _be_killed_first() -> None:
    """Have the kernel end models before anything else when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("900")


def _limit(limits: Mapping[int, int]) -> None:
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (value, value))


def _leave_network() -> bool:
    """Move into a network namespace with nothing in it. Sockets that are open stay usable.

    In a user namespace of its own threads are counted for this process alone, so they can be limited there; root's
    never are, so it is another user in name, who owns nothing.
    """
    if os.getuid() == 0:
        with contextlib.suppress(OSError):  # a root without its capabilities, as containers have it
            os.setresuid(_NOBODY, 0, 0)
    if _LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        _limit({resource.RLIMIT_NPROC: _MAX_THREADS})
        return True
    return bool(_LIBC.unshare(_CLONE_NEWNET) == 0)


def _drop_capabilities() -> None:
    header = struct.pack("Ii", 0x20080522, 0)  # Source: linux/capability.h, version 3
    if _LIBC.capset(header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), "cannot drop capabilities")


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent, which is `parent`, ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent process has gone")


def _restrict_files(readable: Sequence[Path], writable: Sequence[Path]) -> bool:
    """Refuse every file but the given ones, the interpreter's and the system's libraries. Source: landlock(7)."""
    version = _LIBC.syscall(_SYS_CREATE_RULESET, None, 0, _RULESET_VERSION)
    if version < 1:
        return False
    handled = _FILE_ACCESS[min(version, max(_FILE_ACCESS))]
    # TCP bind and connect (version 4); signals and abstract sockets to processes outside (version 6): none allowed
    attributes = struct.pack("QQQ", handled, 3, 3)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = _LIBC.syscall(_SYS_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    read: list[str | Path] = [*_SYSTEM, *_library_folders(), *readable]
    write: list[str | Path] = [*_DEVICES, *writable]
    rules = {Path(path): _READ for path in read} | {Path(path): _WRITE for path in write}
    for path, access in rules.items():
        _allow(ruleset, path, access & handled)
    refused = _LIBC.syscall(_SYS_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return refused == 0


def _library_folders() -> Iterable[str | Path]:
    return sys.prefix, sys.base_prefix, *_own_packages()


def _own_packages() -> Iterable[Path]:
    """Give those of our packages that are imported: the project's folder may hold the database and stays shut."""
    for name, module in list(sys.modules.items()):
        for path in getattr(module, "__path__", ()) if "." not in name else ():
            if Path(path).resolve().parent == CODE:
                yield Path(path).resolve()


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = struct.pack("=Qi", access if path.is_dir() else access & _OF_A_FILE, file)
        if _LIBC.syscall(_SYS_ADD_RULE, ruleset, _RULE_PATH_BENEATH, rule, 0) != 0:
            raise OSError(ctypes.get_errno(), f"cannot allow {path}")
    finally:
        os.close(file)
