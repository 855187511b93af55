"""YAML that says only what JSON can say: no tags, anchors, dates or `yes` for true; size and depth bounded."""

from __future__ import annotations

import re
from typing import Any

import yaml
from django.utils.translation import gettext as _

# libyaml where it is there: the parser in Python takes seconds for a quarter of a megabyte.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):
    """Reads text, numbers, true, false, null, lists and objects, as JSON has them."""

    yaml_implicit_resolvers: dict[str, Any] = {}

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """Refuse what YAML lets pass: a name that stands twice, or is no text."""
        keys = [key for key, _value in node.value]
        names = {key.value if isinstance(key, yaml.ScalarNode) else None for key in keys}
        if None in names or len(names) < len(keys):
            raise _refused(node, _("a name is there twice, or is no text"))
        return super().construct_mapping(node, deep)


for _tag, _form, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(?:0|[1-9][0-9]{0,30})", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]{0,30})\.[0-9]{1,30}(?:[eE][-+][0-9]{1,3})?", list("-0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form})$"), _first)


def load(text: str, *, deepest: int, most_values: int) -> tuple[Any, yaml.Node | None]:
    """Give the value of a text, and the nodes that it came of. Raises yaml.YAMLError or ValueError if it is none."""
    _look_over(text, deepest, most_values)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return (loader.construct_document(node) if node else None), node
    finally:
        loader.dispose()


def _look_over(text: str, deepest: int, most_values: int) -> None:
    """Refuse what nobody needs before anything is built of it."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_SafeLoader)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
            raise _refused(event, _("anchors, aliases and tags are not read"))
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > deepest or number > most_values:
            raise _refused(event, _("it is too deep or too long"))


def _refused(what: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=what.start_mark)
