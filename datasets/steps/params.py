"""The parameters of steps: typed, checked, and described well enough for a form, for YAML and for a reference page.

A step is a frozen dataclass whose fields are made by the functions below:

    @step
    @dataclass(frozen=True)
    class Truncate(RowStep):
        kind, label, family = "truncate", _("Truncate"), "tokens"
        column: str = column(_("column"), wants="text")
        most: int = number(_("most tokens"), default=512, least=1)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import Any

from django.utils.translation import gettext

from common.errors import Invalid
from datasets.steps.base import Step, kind_of

LONGEST_TEXT = 10_000
MOST_ITEMS = 1000
_NUMBERS_END = 2**63  # no column holds more


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter. `form` is its control: column, columns, choice, choices, integer, decimal, text, lines, pattern,
    expression, flag, mapping (text to text), value (text, number, truth or empty), version, tokenizer.

    `wants` limits columns to `text` or `number`; `shown_if` names another parameter and the values with which this one
    counts.
    """

    form: str
    label: Any
    help: Any = ""
    is_required: bool = True
    choices: Sequence[tuple[str, Any]] = ()
    least: float | None = None
    most: float | None = None
    wants: str = ""
    shown_if: tuple[str, tuple[Any, ...]] | None = None


def _field(param: Param, default: Any) -> Any:
    metadata = {"param": param}
    if isinstance(default, list | dict | tuple):
        made = tuple(default) if isinstance(default, list | tuple) else default
        return dataclasses.field(default_factory=lambda: made, metadata=metadata)
    return (
        dataclasses.field(default=default, metadata=metadata)
        if default is not MISSING
        else dataclasses.field(metadata=metadata)
    )


def column(label: Any, *, wants: str = "", default: Any = MISSING, **more: Any) -> Any:
    """One column by name; `default=""` makes it one that may be left out."""
    return _field(Param("column", label, wants=wants, is_required=default is MISSING, **more), default)


def columns(label: Any, *, wants: str = "", default: Any = MISSING, **more: Any) -> Any:
    """Several columns, a tuple of names; `default=()` makes it one that may be left out."""
    return _field(Param("columns", label, wants=wants, is_required=default is MISSING, **more), default)


def choice(label: Any, choices: Sequence[tuple[str, Any]], *, default: Any = MISSING, **more: Any) -> Any:
    """One of some names."""
    return _field(Param("choice", label, choices=choices, is_required=default is MISSING, **more), default)


def choices(label: Any, choices: Sequence[tuple[str, Any]], *, default: Any = (), **more: Any) -> Any:
    """Some of some names, a tuple."""
    return _field(Param("choices", label, choices=choices, is_required=False, **more), default)


def number(
    label: Any,
    *,
    default: Any = MISSING,
    least: float | None = None,
    most: float | None = None,
    is_whole: bool = True,
    **more: Any,
) -> Any:
    """A number within bounds; `default=None` makes it one that may be left out."""
    form = "integer" if is_whole else "decimal"
    return _field(Param(form, label, least=least, most=most, is_required=default is MISSING, **more), default)


def text(label: Any, *, default: Any = MISSING, form: str = "text", **more: Any) -> Any:
    """A text, or by `form` a pattern, expression, version or tokenizer; `default=""`: may be left out."""
    return _field(Param(form, label, is_required=default is MISSING, **more), default)


def lines(label: Any, *, default: Any = MISSING, **more: Any) -> Any:
    """Several texts, a tuple; a line each in the form."""
    return _field(Param("lines", label, is_required=default is MISSING, **more), default)


def flag(label: Any, *, default: bool = False, **more: Any) -> Any:
    """Yes or no."""
    return _field(Param("flag", label, is_required=False, **more), default)


def mapping(label: Any, *, default: Any = MISSING, **more: Any) -> Any:
    """Texts for texts."""
    return _field(Param("mapping", label, is_required=default is MISSING, **more), default)


def value(label: Any, *, default: Any = MISSING, **more: Any) -> Any:
    """A text, a number, a truth or nothing: what a cell may hold."""
    return _field(Param("value", label, is_required=default is MISSING, **more), default)


def params_of(cls: type[Step]) -> dict[str, Param]:
    """Give the parameters of a kind, in order."""
    return {one.name: one.metadata["param"] for one in dataclasses.fields(cls) if "param" in one.metadata}  # type: ignore[arg-type]


def make_step(kind: str, params: Mapping[str, Any]) -> Step:
    """Make a step of plain values. Raises Invalid with `fields` by parameter; unknown parameters are refused."""
    cls = kind_of(kind)
    known = params_of(cls)
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name in params.keys() - known.keys():
        wrong[name] = gettext("There is no such parameter.")
    defaults = {one.name: one for one in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name, param in known.items():
        if name not in params or _is_left_out(param, params[name]):
            if param.is_required:
                wrong[name] = gettext("This is needed.")
            elif name in params and params[name] is None and defaults[name].default is None:
                values[name] = None
            continue
        try:
            values[name] = _read(param, params[name])
        except Invalid as error:
            wrong[name] = error.message
    if wrong:
        raise Invalid(next(iter(wrong.values())), fields=wrong)
    return cls(**values)


def plain(step: Step) -> dict[str, Any]:
    """Give the parameters of a step as plain values, those at their default left out."""
    found = {}
    for one in dataclasses.fields(step):  # type: ignore[arg-type]
        value = getattr(step, one.name)
        default = one.default_factory() if one.default_factory is not MISSING else one.default
        if value != default:
            found[one.name] = list(value) if isinstance(value, tuple) else value
    return found


def _is_left_out(param: Param, given: Any) -> bool:
    """Whether nothing was said: an empty text is something where a cell or a choice may be one."""
    if param.form == "value" or (param.form == "choice" and "" in [name for name, _label in param.choices]):
        return given is None
    return given is None or given in ("", [], {})


def _read(param: Param, given: Any) -> Any:
    """Give the value of a parameter. Raises Invalid."""
    read = _READERS.get(param.form)
    return read(param, given) if read else _text(given)


def _items(param: Param, given: Any) -> tuple[str, ...]:
    items = _few(_only(given, list, tuple))
    found = tuple(_text(item) for item in items)
    for item in found if param.form == "choices" else ():
        _choice(param, item)
    return found


def _mapping(_param: Param, given: Any) -> dict[str, str]:
    return {_text(name): _text(one) for name, one in _few(_only(given, dict)).items()}


def _value(param: Param, given: Any) -> Any:
    if isinstance(given, bool):
        return given
    return _number(param, given) if isinstance(given, int | float) else _text(given)


def _choice(param: Param, given: Any) -> Any:
    if given not in [name for name, _label in param.choices]:
        names = ", ".join(name for name, _label in param.choices)
        raise Invalid(gettext("“%(given)s” is none of: %(names)s.") % {"given": given, "names": names})
    return given


def _few(given: Any) -> Any:
    if len(given) > MOST_ITEMS:
        raise Invalid(gettext("These are more than %(most)d.") % {"most": MOST_ITEMS})
    return given


def _only(given: Any, *types: type) -> Any:
    if not isinstance(given, types):
        raise Invalid(gettext("This is of the wrong kind."))
    return given


def _text(given: Any) -> str:
    found: str = _only(given, str)
    if len(found) > LONGEST_TEXT or "\0" in found:
        raise Invalid(gettext("This text is too long, or holds a character that no text has."))
    return found


def _number(param: Param, given: Any) -> float | int:
    is_whole = param.form == "integer"
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < _NUMBERS_END:
        raise Invalid(gettext("This is not a number."))
    if is_whole and given != int(given):
        raise Invalid(gettext("This is not a whole number."))
    if param.least is not None and given < param.least:
        raise Invalid(gettext("This is less than %(least)s.") % {"least": param.least})
    if param.most is not None and given > param.most:
        raise Invalid(gettext("This is more than %(most)s.") % {"most": param.most})
    return int(given) if is_whole else given


_READERS: dict[str, Callable[[Param, Any], Any]] = {
    "flag": lambda _param, given: _only(given, bool),
    "integer": _number,
    "decimal": _number,
    "columns": _items,
    "lines": _items,
    "choices": _items,
    "choice": _choice,
    "mapping": _mapping,
    "value": _value,
}
