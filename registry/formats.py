"""What a file really is, told from its bytes without running any of them. No torch, no Django.

A clean answer is no permission: weights are read with `weights_only=True` in a confined process all the same.
"""

from __future__ import annotations

import codecs
import json
import math
import pickletools
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from registry.archives import DAMAGED, open_zip

WEIGHTS = frozenset({"safetensors", "state_dict"})
PROGRAMS = frozenset({"torchscript", "exported_program"})
REFUSED = {
    "torch_module": "a pickled torch module, which runs code when it is read: save model.state_dict() or safetensors",
    "pickle": "a pickle, which runs code when it is read: save the weights as safetensors",
    "joblib": "a joblib file, which runs code when it is read: save the weights as safetensors",
    "torch_package": "a torch.package, which holds Python code: save the weights as safetensors",
    "numpy_objects": "a numpy file with Python objects, which runs code when it is read",
    "compressed": "a compressed file, whose content cannot be judged: unpack it first",
    "oversized_archive": "an archive that unpacks to far more than its own size",
    "damaged_archive": "a damaged or ambiguous archive",
}

MAX_HEADER_BYTES = 8 * 1024 * 1024  # of a safetensors header and of a state dict's pickle: 50,000 tensors
_HEAD_BYTES = 64 * 1024
_MAX_OPCODES = 1_000_000
_MAX_ENTRIES = 100_000
_ROOM_BYTES = 64 * 1024 * 1024  # an archive may unpack to this and four times its size
_MAGIC = {
    **dict.fromkeys((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"), "compressed"),
    **dict.fromkeys((b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), "joblib"),  # joblib.dump(compress=...)
    b"\x89HDF\r\n": "hdf5",
}
_TORCH_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_GLOBALS = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4"})
_ACTIVE = _GLOBALS | {"REDUCE", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
_OPCODES = {opcode.name: opcode for opcode in pickletools.opcodes}
_STATE_DICT_GLOBALS = frozenset(
    {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_tensor_v3",
        "torch._utils _rebuild_parameter",
        "torch.storage UntypedStorage",
        "torch Size",
    }
)


def sniff(path: Path) -> str:
    """Give the format of a file: one of WEIGHTS, PROGRAMS, REFUSED, or `numpy`, `onnx`, `hdf5`, `zip`, `tar`, `json`,
    `text`, `unknown`.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(0)
        if head.startswith(b"PK\x03\x04"):
            return _archive(file, size)
        if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
            return _pickle(BytesIO(file.read(MAX_HEADER_BYTES)), head)
        if _is_safetensors(file, head, size):
            return "safetensors"
        return _by_magic(head) or _by_words(file, head)


def _by_magic(head: bytes) -> str:
    if head.startswith(b"\x93NUMPY"):
        return "numpy_objects" if _has_objects(head) else "numpy"
    if head[257:262] == b"ustar":
        return "tar"
    if len(head) > 2 and head[0] == 8 and head[1] < 32 and head[2] in (0x12, 0x1A, 0x22, 0x3A, 0x42):
        return "onnx"  # a protobuf that opens with ir_version
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")


def _by_words(file: IO[bytes], head: bytes) -> str:
    file.seek(0)
    if _is_old_pickle(BytesIO(file.read(MAX_HEADER_BYTES))):
        return "joblib" if b"joblib" in head else "pickle"
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < _HEAD_BYTES)
    except UnicodeDecodeError:
        return "unknown"
    if "\0" in text:
        return "unknown"
    return "json" if text.lstrip()[:1] in ("{", "[") else "text"


def _has_objects(head: bytes) -> bool:
    described = head[: head.find(b"\n") + 1 or 4096]
    return b"|O" in described or b"'O'" in described


def _is_safetensors(file: IO[bytes], head: bytes, size: int) -> bool:
    length = int.from_bytes(head[:8], "little")
    if len(head) < 10 or head[8:9] != b"{" or not 2 <= length <= min(size - 8, MAX_HEADER_BYTES):
        return False
    file.seek(8)
    try:
        header = json.loads(file.read(length), object_pairs_hook=unique_keys)
    except (ValueError, RecursionError):
        return False
    entries = [entry for name, entry in header.items() if name != "__metadata__"] if isinstance(header, dict) else [0]
    return all(isinstance(entry, dict) and {"dtype", "shape", "data_offsets"} <= entry.keys() for entry in entries)


def safetensors_elements(path: Path) -> int:
    """Give how many numbers a file that `sniff` calls safetensors holds, as its header says."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    if not all(isinstance(shape, list) and all(type(side) is int and side >= 0 for side in shape) for shape in shapes):
        return 0
    return sum(math.prod(shape) for shape in shapes)


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Give the object of JSON pairs. Raises ValueError for a key that stands twice, of which readers take either."""
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:100]!r} stands twice")
    return found


def _archive(file: IO[bytes], size: int) -> str:
    """Judge a zip archive by the records torch itself looks for."""
    try:
        with open_zip(file) as archive:
            entries = archive.infolist()
            names = [entry.filename.casefold() for entry in entries]
            if not entries or len(set(names)) != len(names):
                return "damaged_archive"  # two records of one name: readers differ in which they take
            if len(entries) > _MAX_ENTRIES or sum(entry.file_size for entry in entries) > _ROOM_BYTES + 4 * size:
                return "oversized_archive"
            if all(name.endswith(".npy") for name in names):
                heads = (_read_head(archive, entry) for entry in entries)
                return "numpy_objects" if any(map(_has_objects, heads)) else "numpy"
            return _torch_archive(
                archive, {name.partition("/")[2]: entry for name, entry in zip(names, entries, strict=True)}
            )
    except (*DAMAGED, OSError):
        return "damaged_archive"


def _read_head(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as record:
        return record.read(4096)


def _torch_archive(archive: zipfile.ZipFile, records: dict[str, zipfile.ZipInfo]) -> str:
    if ".data/extern_modules" in records or ".data/python_version" in records:
        return "torch_package"
    if "archive_format" in records or "models/model.json" in records or "serialized_exported_program.json" in records:
        return "exported_program"
    if "constants.pkl" in records or any(name.startswith("code/") for name in records):
        return "torchscript"
    if "data.pkl" not in records:
        return "zip"
    if records["data.pkl"].file_size > MAX_HEADER_BYTES:
        return "torch_module"
    return "state_dict" if _is_plain(BytesIO(archive.read(records["data.pkl"]))) else "torch_module"


def _pickle(file: IO[bytes], head: bytes) -> str:
    """Judge a raw pickle; torch's old format is a magic number, a version, a system, and then what was saved."""
    try:
        if ("LONG1", _TORCH_LEGACY_MAGIC) in list(_opcodes(file)):
            return "state_dict" if all(_is_plain(file) for _ in range(3)) else "torch_module"
    except ValueError:
        pass  # not whole: joblib writes arrays into the middle of its pickle
    return "joblib" if b"joblib" in head else "pickle"


def _is_plain(file: IO[bytes]) -> bool:
    """Whether the next pickle of the file names nothing but what a state dict is made of."""
    try:
        return all(_is_known(name, value) for name, value in _opcodes(file))
    except ValueError:
        return False


def _is_known(opcode: str, value: object) -> bool:
    if opcode not in _GLOBALS and opcode not in ("OBJ", "NEWOBJ", "NEWOBJ_EX"):
        return True
    if opcode != "GLOBAL" or not isinstance(value, str):
        return False
    module, _, name = value.partition(" ")
    return value in _STATE_DICT_GLOBALS or (module == "torch" and name.endswith("Storage") and name.isalnum())


def _is_old_pickle(file: IO[bytes]) -> bool:
    """Whether the file is a pickle of protocol 0 or 1, which has no magic number.

    Texts may read as one, such as `torch==2.5.1`; but not where a reader would find nothing on its stack before it came
    to anything that it runs.
    """
    stack = _Stack()
    is_sound, is_active = True, False
    try:
        for name, _ in _opcodes(file):
            is_sound = is_sound and stack.step(_OPCODES[name])
            is_active = is_active or (is_sound and name in _ACTIVE)
    except ValueError:
        return False
    return is_active


class _Stack:
    """How many things lie on the stack of who reads a pickle, and which of them are marks."""

    def __init__(self) -> None:
        self._size, self._marks = 0, list[int]()

    def step(self, opcode: pickletools.OpcodeInfo) -> bool:
        """Do what an opcode does, and tell whether all was there that it takes. Source: `pickletools.dis`."""
        mark, takes = pickletools.markobject, len(opcode.stack_before)
        is_top_mark = bool(self._marks) and self._marks[-1] == self._size - 1
        if mark in opcode.stack_before or (opcode.name == "POP" and is_top_mark):
            if not self._marks:
                return False
            self._size = self._marks.pop()
            takes = 0 if opcode.name == "POP" else opcode.stack_before.index(mark)
        if self._size < takes:
            return False
        self._size -= takes
        while self._marks and self._marks[-1] >= self._size:
            self._marks.pop()
        self._size += len(opcode.stack_after)
        if mark in opcode.stack_after:
            self._marks.append(self._size - 1)
        return True


def _opcodes(file: IO[bytes]) -> Iterator[tuple[str, object]]:
    """Give names and arguments of one pickle's opcodes, up to its end. Raises ValueError if it is no pickle."""
    try:
        for count, (opcode, value, _) in enumerate(pickletools.genops(file)):
            if count > _MAX_OPCODES:
                raise ValueError("more opcodes than any state dict has")
            yield opcode.name, value
    except (UnicodeDecodeError, OverflowError, MemoryError, IndexError) as error:
        raise ValueError(str(error)) from error
