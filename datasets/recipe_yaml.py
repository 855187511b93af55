"""Recipes as YAML: what is copied from one Flueman to another, kept in a repository, and compared as text.

Only what JSON can say is read: no tags, anchors, dates or `yes` for true; size and depth have bounds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml
from django.utils.translation import gettext as _

from common import strict_yaml
from common.errors import Invalid, TooLarge

LARGEST_BYTES = 256 * 1024
_DEEPEST, _MOST_VALUES = 8, 50_000
_KEYS = {"name", "description", "steps"}


@dataclass(frozen=True, slots=True)
class Written:
    """A recipe as it was written down, with the line of each step; these are still to be read by `parse_steps`."""

    name: str
    description: str
    steps: list[Any]
    lines: list[int]

    def told(self, error: Invalid) -> Invalid:
        """Give an error of `parse_steps` with the line of the step that it speaks of."""
        for field in error.fields:
            place = field.removeprefix("steps.").partition(".")[0]
            if place.isdigit() and int(place) < len(self.lines):
                said = _("Line %(line)d: %(text)s") % {"line": self.lines[int(place)], "text": error.message}
                return Invalid(said, code=error.code, fields=error.fields)
        return error


def from_yaml(text: str) -> Written:
    """Read a recipe. Raises TooLarge, Invalid that names line and column."""
    if len(text.encode(errors="replace")) > LARGEST_BYTES:
        raise TooLarge(_("A recipe has at most %(size)d KB.") % {"size": LARGEST_BYTES // 1024})
    try:
        found, node = strict_yaml.load(text, deepest=_DEEPEST, most_values=_MOST_VALUES)
    except yaml.MarkedYAMLError as error:
        raise _explain(error) from None
    except (yaml.YAMLError, ValueError) as error:
        raise Invalid(_("This is not YAML: %(problem)s") % {"problem": error}, code="malformed") from None
    if not isinstance(found, dict):
        raise Invalid(_("A recipe is an object with “name” and “steps”."), code="malformed")
    if unknown := found.keys() - _KEYS:
        said = _("A recipe has name, description and steps, and nothing else.")
        raise Invalid(said, fields=dict.fromkeys(map(str, unknown), said))
    name, description, steps = found.get("name"), found.get("description") or "", found.get("steps")
    if not isinstance(name, str) or not isinstance(description, str) or not isinstance(steps, list):
        raise Invalid(_("A recipe has a name, which is a text, and steps, which are a list."), code="malformed")
    return Written(name, description, steps, _lines(node))


def to_yaml(name: str, description: str, steps: list[dict[str, Any]]) -> str:
    """Write a recipe down, each step under the label of its kind."""
    from datasets.steps.base import kinds  # noqa: PLC0415 - frames are not loaded where no recipe is written

    said = {"name": name, "description": description, "steps": [_shortened(step) for step in steps]}
    text = yaml.dump({key: value for key, value in said.items() if value or key == "steps"}, Dumper=_Dumper, **_LOOK)
    labels = iter(kinds()[step["kind"]].label if step["kind"] in kinds() else step["kind"] for step in steps)
    lines = [f"# {next(labels)}\n{line}" if line.startswith("- kind:") else line for line in text.split("\n")]
    return "\n".join(lines)


class _Dumper(yaml.SafeDumper):
    """Writes texts so that they are read as they were."""

    def represent_text(self, text: str) -> Any:
        """Quote line breaks of other writing systems, which readers would fold into spaces."""
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _ODD_BREAKS.search(text) else None)


_ODD_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")
_Dumper.add_representer(str, _Dumper.represent_text)
_LOOK: dict[str, Any] = {"allow_unicode": True, "sort_keys": False, "width": 4096}
_DEFAULTS: dict[str, Any] = {"params": {}, "is_enabled": True, "note": ""}


def _shortened(step: dict[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing."""
    told = {name: value for name, value in step.items() if name not in _DEFAULTS or value != _DEFAULTS[name]}
    return {"kind": told.pop("kind"), **told}


def _lines(node: Any) -> list[int]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    for key, value in pairs:
        if key.value == "steps" and isinstance(value, yaml.SequenceNode):
            return [item.start_mark.line + 1 for item in value.value]
    return []


def _explain(error: yaml.MarkedYAMLError) -> Invalid:
    mark = error.problem_mark or error.context_mark
    where = {"line": mark.line + 1, "column": mark.column + 1} if mark else {"line": 1, "column": 1}
    said = _("Line %(line)d, column %(column)d: %(problem)s.") % {**where, "problem": error.problem}
    return Invalid(said, code="malformed")
