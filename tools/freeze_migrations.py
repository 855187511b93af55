"""Writes down the hashes of all migrations at a release: `python tools/freeze_migrations.py`; never of edited ones."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "house" / "frozen_migrations.json"


def main() -> int:
    """Add what is new; an edited migration is told and stays as it was written down."""
    frozen = json.loads(TABLE.read_text()) if TABLE.exists() else {}
    found = {
        str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(ROOT.glob("*/migrations/0*.py"))
        if not sys.argv[1:] or path.stem in sys.argv[1:]
    }
    edited = [path for path, digest in frozen.items() if found.get(path, digest) != digest]
    TABLE.write_text(json.dumps({**found, **frozen}, indent=1, sort_keys=True) + "\n")
    print("\n".join([f"{path} was edited after its release" for path in edited] or [f"{len(found)} are frozen."]))
    return 1 if edited else 0


if __name__ == "__main__":
    sys.exit(main())
