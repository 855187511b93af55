"""Where the local engine works: a folder whose finished pieces outlive whoever made them. No Django.

Work is cut into stages, each of these into pieces. A piece is done when its marker is there, written after its files;
who does the same work again finds the markers and goes on behind them. Nothing here outlives a crash of the machine:
a folder made before it is begun anew.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import weakref
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from common.errors import Unavailable
from datasets.engines.chain import MOST_SAMPLES, Account, Op
from datasets.engines.parts import told_when_full, written

Item = TypeVar("Item")
Marker = dict[str, Any]
MOST_WORKERS = 4
LOOK_EVERY_S = 0.1
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def void() -> None:
    """Do nothing."""


class Pool(Protocol):
    """What does calls at the same time, as executors do."""

    def submit(self, call: Callable[..., Marker], /, *args: Any) -> Future[Marker]:
        """Begin a call."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more."""


class Workshop:
    """A folder for one run, and the account of its steps. `plan` says what is made: another plan, another beginning.

    `tell` is called with `self` before the first piece and after each, `check` while it waits for one, both in the
    thread of the run. Raises Unavailable if somebody works there.
    """

    def __init__(
        self,
        folder: Path,
        plan: str = "",
        *,
        tell: Callable[[Workshop], None] | None = None,
        check: Callable[[], None] = void,
        secret: Collection[int] = (),
        workers: int | None = None,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        self._lock = _locked(folder)
        self._begin(plan)
        self.step = 0
        self.rows: dict[int, dict[str, int]] = {}  # after a step, by the stage that counted them
        self.ns: Counter[int] = Counter()
        self.samples: dict[int, list[dict[str, Any]]] = {}
        self.percent: dict[int, float] = {}
        self.workers = workers or min(MOST_WORKERS, os.cpu_count() or 1)
        self._tell, self._check, self._secret = tell, check, secret
        self._stages = 0
        self._garbage: list[Path] = []

    def close(self, *, is_over: bool) -> None:
        """Leave; what was made stays for the next attempt unless all is over."""
        if is_over:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def stage(self, name: str) -> Path:
        """Give the folder of the next stage."""
        self._stages += 1
        folder = self.folder / f"{self._stages:04d}-{name}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def each(
        self, stage: Path, items: Sequence[Item], work: Callable[[Item, int, Account], Marker], ops: Sequence[Op] = ()
    ) -> list[Marker]:
        """Do a piece of work for each item, several at once, and give their markers in order. Raises StorageFull."""
        found: list[Marker] = []
        waiting = deque(enumerate(items))
        running: deque[Any] = deque()
        begun = {step: self.percent.get(step, 0.0) for step in {self.step, *(op.step for op in ops)}}
        if items:
            self._say(begun)  # a first piece may take minutes
        pool, is_orderly = self.open_pool(), False
        try:
            while waiting or running:
                while waiting and len(running) <= self.workers:
                    number, item = waiting.popleft()
                    running.append(pool.submit(do_piece, stage, item, number, work))
                if error := self._end_of(running[0]):
                    is_orderly = True
                    raise error
                marker = running.popleft().result()
                self._count(stage.name, marker["account"])
                found.append(marker)
                part, whole = len(found) / len(items), {op.step for op in ops if op.function is None}
                ends = {step: 100.0 if step in whole else (at + 100.0) / 2 for step, at in begun.items()}
                self._say({step: at + (ends[step] - at) * part for step, at in begun.items()})
        finally:
            pool.shutdown(wait=is_orderly, cancel_futures=True)  # who was asked to stop cannot wait
        self._clear()
        return found

    def _say(self, percent: Mapping[int, float]) -> None:
        """Tell how far steps are."""
        self.percent.update(percent)
        if self._tell:
            self._tell(self)

    def _end_of(self, piece: Future[Marker]) -> BaseException | None:
        """Wait for the end of a piece, and give what went wrong."""
        while True:
            self._check()
            with suppress(TimeoutError):
                return piece.exception(LOOK_EVERY_S)

    def open_pool(self) -> Pool:
        """Give what does pieces of work at the same time."""
        return ThreadPoolExecutor(self.workers)

    def holding(self, owner: object, paths: Sequence[Path]) -> None:
        """Delete files once nobody holds their owner, at the end of a stage: by then nobody can want them again."""
        own = [path for path in paths if path.is_relative_to(self.folder)]
        weakref.finalize(owner, self._garbage.extend, own).atexit = False

    def _begin(self, plan: str) -> None:
        """Go on with what the same plan has left here since the machine was started, else begin anew."""
        facts = {"plan": plan, "boot": _BOOT.read_text().strip() if _BOOT.exists() else ""}
        note = self.folder / "plan.json"
        if note.exists() and json.loads(note.read_bytes()) == facts:
            return
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
        _write_json(note, facts)

    def _count(self, stage: str, account: Marker) -> None:
        """Add up; rows are counted where a step was done for the first time, should it be done again."""
        for step, rows in account["rows"].items():
            counted = self.rows.setdefault(int(step), {})
            counted[stage] = counted.get(stage, 0) + rows
        for step, ns in account["ns"].items():
            self.ns[int(step)] += ns
        for step, samples in account["samples"].items():
            if int(step) < max(self._secret, default=-1):  # it would show what a later step hides
                continue
            held = self.samples.setdefault(int(step), [])
            new = (
                [{**one, "before": None} for one in samples if "before" in one]
                if int(step) in self._secret
                else samples
            )
            held += [one for one in new if one not in held][: MOST_SAMPLES - len(held)]

    def rows_after(self, step: int) -> int | None:
        """Give the rows after a step so far, `None` before there are any."""
        return next(iter(self.rows[step].values())) if step in self.rows else None

    def _clear(self) -> None:
        garbage, self._garbage[:] = list(self._garbage), []
        for path in garbage:
            path.unlink(missing_ok=True)


def do_piece(stage: Path, item: Any, number: int, work: Callable[[Any, int, Account], Marker]) -> Marker:
    """Do a piece of work unless it is done already; give its marker. Raises StorageFull."""

    def make() -> Marker:
        account = Account()
        try:
            facts = work(item, number, account)
        except OSError as error:
            raise told_when_full(error) from error
        return {**facts, "account": {"rows": account.rows, "ns": account.ns, "samples": account.samples}}

    return dict(once(stage / f"{number:06d}.json", make))


def once(path: Path, make: Callable[[], Any]) -> Any:
    """Give what was made here once, JSON; made now if it was not."""
    if not path.exists():
        _write_json(path, make())
    return json.loads(path.read_bytes())


def _locked(folder: Path) -> int:
    """Hold a folder until this process ends."""
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Unavailable("another process works there still", code="work_locked") from None
    return descriptor


def _write_json(path: Path, value: Any) -> None:
    written(path, lambda target: target.write_text(json.dumps(value, ensure_ascii=False), "utf-8"))
