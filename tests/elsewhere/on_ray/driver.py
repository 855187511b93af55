"""What the tests of tables on a cluster run in a process of its own: the address, a folder, and what to do."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import polars as pl
from django.conf import settings
from ray import cloudpickle

from datasets.engines.local import LocalTable
from datasets.engines.memory import MemoryTable
from datasets.engines.parts import PartWriter
from datasets.engines.ray_tasks import RayWorkshop, connected
from datasets.engines.table import ROW
from datasets.engines.workshop import Workshop
from tests.datasets.engines import primitives
from tests.datasets.engines.examples import EXAMPLES, HEAVY, RECIPES, TRAINED, WITH_TOKENIZER
from tests.datasets.engines.primitives import PRIMITIVES, small_key
from tests.datasets.engines.tables import hostile, in_files, in_memory, rows_of
from tests.datasets.engines.test_every_step import same

PIECE_S = 0.4


def slowly(frame: pl.DataFrame) -> pl.DataFrame:
    """Take a while, so that a kill meets work."""
    time.sleep(PIECE_S)
    return frame.with_columns(pl.col("text").str.to_uppercase())


def recipe(table: LocalTable) -> LocalTable:
    """Change, bring together, drop, sort."""
    table = table.map(slowly)
    dropped = table.exchange(small_key, lambda keys: keys.filter(pl.col(ROW) % 2 == 1).select(ROW))
    return table.attach(dropped, "anti").map(slowly).reorder(lambda frame: -frame[ROW])


def parts(shop: Workshop, files: list[tuple[Path, int]], folder: Path) -> list[bytes]:
    """Give the parts that the recipe makes."""
    writer = PartWriter(folder)
    recipe(LocalTable.of(shop, files)).write(writer)
    return [part.path.read_bytes() for part in writer.finish()]


def compare(folder: Path) -> None:
    """Do every primitive on both engines."""
    frame = hostile(60)
    for name, primitive in PRIMITIVES.items():
        files = in_files(frame, folder / name / "rows", [0, 17, 40])
        found = primitive(LocalTable.of(RayWorkshop(folder / name / "work"), files))
        wanted = primitive(in_memory(frame))
        if isinstance(wanted, MemoryTable):
            assert rows_of(found).equals(rows_of(wanted), null_equal=True), name
        else:
            assert found == wanted, name
        sys.stdout.write(f"same {name}\n")


def steps(folder: Path) -> None:
    """Do whole recipes, and each kind of step that no analyser is loaded for, on both engines."""
    cases = [(f"recipe {number}", recipe) for number, recipe in enumerate(RECIPES)]
    for kind in EXAMPLES.keys() - HEAVY:
        before = [TRAINED] if kind in WITH_TOKENIZER else []
        cases.append((kind, [*before, {"kind": kind, "params": EXAMPLES[kind][0]}]))
    for name, case in cases:
        same(case, folder / name, hostile(90), RayWorkshop)
        sys.stdout.write(f"same {name}\n")


def run(folder: Path) -> None:
    """Run the recipe, telling each piece, and compare with this machine alone."""
    files = in_files(hostile(2400), folder / "rows", range(100, 2400, 100))

    def tell(shop: Workshop) -> None:
        sys.stdout.write(json.dumps(shop.percent) + "\n")
        sys.stdout.flush()

    on_ray = parts(RayWorkshop(folder / "ray", tell=tell), files, folder / "a")
    assert on_ray == parts(Workshop(folder / "here"), files, folder / "b")
    sys.stdout.write("same parts\n")


if __name__ == "__main__":
    settings.configure(USE_I18N=False, TIME_ZONE="Asia/Seoul")
    cloudpickle.register_pickle_by_value(primitives)  # the nodes have no tests
    with connected(sys.argv[1]):
        {"compare": compare, "steps": steps, "run": run}[sys.argv[3]](Path(sys.argv[2]))
