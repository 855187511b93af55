"""Times of the pages of 10,000,000 rows: `python -m bench.data_pages [--rows N] [--keep FOLDER]`.

Rows, database and store are made in a folder of their own. Pages are asked for in this process, the way the server
does it but for the socket: each a first time and nine more; printed are the first and the slowest of the others.
"""

# ruff: noqa: PLC0415 - Django has to be told of the folder before anything of ours is read
from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

PART_ROWS, TIMES = 65_536, 10
TEXT = (
    "국물이 진하고 고기가 많아요 배달이 조금 늦었지만 맛은 좋았습니다 사장님이 친절해요 다시 시킬게요 양이 적어서 "
    "아쉬웠어요 가격 대비 만족합니다 김치가 맛있어요 포장도 꼼꼼하고 따뜻하게 왔어요 그릇이 깨져서 왔네요 추천해요"
)
SHOPS = ["한강 국밥", "모퉁이 카페", "바다 횟집", "산골 막국수", "골목 피자"]


def rows_of(rows: int) -> Iterator[pl.DataFrame]:
    """Give Korean reviews, part by part; one in a million speaks of a dinosaur."""
    words = np.array(TEXT.split(), dtype=object)
    for first in range(0, rows, PART_ROWS):
        count, rng = min(PART_ROWS, rows - first), np.random.default_rng(first)
        number = np.arange(first, first + count)
        texts = [pl.Series(words[rng.integers(0, len(words), count)], dtype=pl.String) for _word in range(12)]
        said = pl.select(pl.concat_str([pl.lit(one) for one in texts], separator=" ")).to_series()
        rare = pl.Series(np.where(number % 1_000_000 == 777_777, " 공룡", ""), dtype=pl.String)
        stars = pl.Series(rng.integers(1, 6, count))
        yield pl.DataFrame(
            {
                "번호": number,
                "후기": said + rare,
                "별점": pl.select(pl.when(pl.Series(rng.random(count) > 0.1)).then(stars)).to_series(),
                "가게": pl.Series(np.array(SHOPS, dtype=object)[rng.integers(0, 5, count)], dtype=pl.String),
                "금액": rng.lognormal(9.8, 0.5, count).round(-2),
                "주문일": pl.Series(rng.integers(19_700, 20_600, count)).cast(pl.Int32).cast(pl.Date),
            }
        )


def make_version(rows: int, folder: Path) -> Any:
    """Give a sealed version of so many rows."""
    from datasets.planning import columns_of
    from datasets.sealing import PartFile
    from datasets.services import begin_version, dataset_named, seal_version

    version = begin_version(dataset=dataset_named(name="큰 자료", actor=None), actor=None)
    parts = []
    for number, frame in enumerate(rows_of(rows)):
        path = folder / f"{number:05d}.parquet"
        frame.write_parquet(path, compression="zstd", row_group_size=PART_ROWS)
        parts.append(PartFile(path, len(frame)))
    seal_version(version=version, columns=columns_of(frame.schema), parts=parts, actor=None)
    return version


def measure(version: Any) -> Iterator[tuple[str, float, float, float]]:
    """Give the name of a page, milliseconds of the first call, of the slowest of the others, and of CPU."""
    from django.test import Client
    from django.urls import reverse

    from accounts.models import User

    client = Client(headers={"accept-language": "ko"})
    known = User.objects.filter(username="bench").first()
    client.force_login(known or User.objects.create_superuser("bench", password=None))
    page = reverse("admin:datasets_datasetversion_change", args=[version.pk])
    lines = reverse("admin:datasets_datasetversion_rows", args=[version.pk])
    column = reverse("admin:datasets_datasetversion_column", args=[version.pk, 1])
    asked = {
        "version page": page,
        "version page, last rows": f"{page}?offset={version.rows - 25}",
        "rows in the middle": f"{lines}?offset={version.rows // 2}",
        "search, often found: first answer": f"{lines}?q=김치가 친절해요",
        "search, hardly ever found: first answer": f"{lines}?q=공룡",
        "search by a number: first answer": f"{lines}?column=금액&op=gt&value=900000",
        "search by a pattern: first answer": f"{lines}?q=공룡$&mode=regex",
        "column page": column,
        "list of datasets": reverse("admin:datasets_dataset_changelist"),
    }
    for name, url in asked.items():
        times, worked = [], []
        for _time in range(TIMES):
            begun, idle = time.perf_counter(), time.process_time()
            answer = client.get(url)
            times.append((time.perf_counter() - begun) * 1000)
            worked.append((time.process_time() - idle) * 1000)
            assert answer.status_code == 200, (url, answer.status_code)
        yield name, times[0], max(times[1:]), sorted(worked)[TIMES // 2]
    for name, url in (("whole search, hardly ever found", f"{lines}?q=공룡"),):
        begun, steps, answers, found = time.perf_counter(), 0, url, 0
        while answers:
            told = client.get(answers).json()
            steps, found = steps + 1, found + told["found"]
            answers = f"{lines}{told['next']}" if told["next"] else ""
        print(f"{name}: {time.perf_counter() - begun:.1f} s, {steps} requests, {found} found")


def main() -> None:
    """Make the rows, profile them, ask for the pages, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--keep", type=Path, help="folder that is kept, and used again")
    options = parser.parse_args()
    home = options.keep or Path(tempfile.mkdtemp(prefix="flueman-pages-"))
    os.environ |= {
        "FLUEMAN_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "flueman.settings",
        "ALLOWED_HOSTS": "testserver",
    }
    try:
        _run(options.rows, home)
    finally:
        if not options.keep:
            shutil.rmtree(home, ignore_errors=True)


def _run(rows: int, home: Path) -> None:
    import django
    from django.core.management import call_command

    home.mkdir(parents=True, exist_ok=True)
    django.setup()
    call_command("migrate", verbosity=0)
    from datasets.models import DatasetVersion
    from datasets.services import profile_version

    version = DatasetVersion.objects.sealed().filter(rows=rows).first()
    if version is None:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory(dir=home) as folder:
            version = make_version(rows, Path(folder))
        print(f"made: {time.perf_counter() - begun:.1f} s, {version.size_bytes / 1e6:.0f} MB")
    if version.profile is None:
        begun = time.perf_counter()
        profile_version(version=version, report=lambda done: print(f"\r{done:,}", end="", file=sys.stderr))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"profile: {time.perf_counter() - begun:.1f} s, peak {peak:.0f} MiB")
    for name, first, slowest, worked in measure(version):
        print(f"{name:42} {first:8.0f} ms first {slowest:8.0f} ms slowest of {TIMES - 1} {worked:6.0f} ms CPU")


if __name__ == "__main__":
    main()
