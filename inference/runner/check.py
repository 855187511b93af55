"""One look at a version before it may serve: `python -m inference.runner.check --folder F --out FILE`.

FILE is there already and takes converted weights; nothing else can be written. Confined as the process that will serve
the version. Each step is a JSON line on stdout as it happens; the last is the report.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from common import sandbox
from inference.runner.child import take_stdout
from inference.runner.options import common_options, placement_of, uses_cuda
from registry.architectures import MAX_PARAMETERS
from registry.formats import MAX_HEADER_BYTES

_CONVERTED_BYTES = 8 * MAX_PARAMETERS + MAX_HEADER_BYTES  # at most: every parameter in FP64


def main() -> int:
    """Check a folder. Gives 0 if every step passed, 1 if not."""
    options = _options()
    report = take_stdout()
    missing = sandbox.confine(
        parent=options.parent,
        readable=[options.folder],
        writable=[options.out],
        memory_bytes=options.memory_bytes,
        has_device=uses_cuda(options),
        file_bytes=_CONVERTED_BYTES,
    )
    from inference.runner.examination import Examination  # noqa: PLC0415 - numpy and torch: after the walls stand

    examination = Examination(
        folder=options.folder,
        out=options.out,
        is_trusted=options.trusted,
        max_batch=options.max_batch,
        report=report,
        missing_walls=missing,
        is_open=options.open_programs,
        placement=placement_of(options),
    )
    return 0 if examination.run() else 1


def _options() -> argparse.Namespace:
    parser = common_options(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
