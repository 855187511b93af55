"""Writes docs/steps.md, the reference of all steps, from their catalogue: `python tools/steps_reference.py`."""

from __future__ import annotations

import os
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "steps.md"
HEAD = """# Steps of recipes
Written by `tools/steps_reference.py` from the steps themselves. In YAML a step is `kind` and `params`; what is left out
has its default.

Times are kept in UTC. Whatever asks for a day or an hour of them means the calendar of the installation (`TIME_ZONE`),
and a time that is written without a zone is in that zone too, as in imports; `2026-01-31T12:00Z` or `+09:00` says
another. A date beside times is the moment at which its day begins there. Only `cast` can be told another zone.
"""
EXPRESSIONS = """
## Expressions
Conditions and new values: `length("질문") > 10 and not contains(답변, '광고')`. Columns by name, in double quotes or
backticks where the name is odd; text in single quotes. `and or not`, `= != < <= > >=`, `in (…)`, `is missing`,
`+ - * / // %`. A comparison with a missing value is neither true nor false; what is divided by 0, or does not fit 64
bits, is missing. An expression has at most 2,000 characters; nothing but columns and these functions can be named.

"""


def reference() -> str:
    """Give the page, in English."""
    from django.utils import translation  # noqa: PLC0415 - after the settings

    from datasets.catalogue import catalogue  # noqa: PLC0415
    from datasets.steps.expressions.functions import FUNCTIONS  # noqa: PLC0415

    with translation.override("en"):
        steps = catalogue()
    parts = [HEAD]
    for family, kinds in groupby(steps, key=lambda one: one["family_label"]):
        parts += [f"\n## {family}\n", *map(_step, kinds)]
    return "".join(parts) + EXPRESSIONS + ", ".join(f"`{one.form}`" for one in FUNCTIONS.values()) + "\n"


def _step(step: dict[str, Any]) -> str:
    rows = "".join(_row(param) for param in step["params"])
    table = f"\n| parameter | form | default | meaning |\n| --- | --- | --- | --- |\n{rows}" if rows else ""
    return f"\n### {step['label']}: `{step['kind']}`\n{step['help']}\n{table}"


def _row(param: dict[str, Any]) -> str:
    names = ", ".join(f"`{one['value']}` {one['label']}" for one in param["choices"])
    bounds = [f"at least {param['least']:g}"] if param["least"] is not None else []
    bounds += [f"at most {param['most']:g}"] if param["most"] is not None else []
    said = "; ".join(filter(None, [param["label"], names, ", ".join(bounds), param["help"]])).replace("|", "\\|")
    default = (
        "needed" if param["is_required"] else "" if param["default"] in (None, "", []) else f"`{param['default']}`"
    )
    form = f"{param['form']} ({param['wants']})" if param["wants"] else param["form"]
    return f"| `{param['name']}` | {form} | {default} | {said} |\n"


def main() -> int:
    """Write the page."""
    import django  # noqa: PLC0415 - after the settings

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "flueman.settings")
    sys.path.insert(0, str(ROOT))
    django.setup()
    PAGE.write_text(reference())
    return 0


if __name__ == "__main__":
    sys.exit(main())
