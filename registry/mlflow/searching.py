"""Searches: conditions as a query, pages by key and not by number, in the order that was asked for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import orjson
from django.db.models import Model, Q, QuerySet

from common.errors import Invalid
from registry.mlflow.filters import MODELS, VERSIONS, Condition, Grammar, parse_filter, parse_order
from registry.models import ModelTag, ModelVersion, ModelVersionQuerySet, RegisteredModel, VersionTag
from registry.models.labels import VALUE_START
from registry.models.versions import SOURCE_START

# A search may name more; the rest comes on the next page, so that no answer fills the memory.
MOST_ROWS = 10_000
# So many rows are found by what is looked for and then put in order; more are looked through in that order.
FEW = 1000
IS_PROMPT = "mlflow.prompt.is_prompt"
_COLUMNS = {
    "source_path": "source",
    "version_number": "number",
    "creation_timestamp": "created_at",
    "last_updated_timestamp": "updated_at",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_LOOKUPS = {"LIKE": "like", "ILIKE": "ilike", "IN": "in", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_WILD = re.compile("[%_]")
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Key:
    """One column of an order, and how its values are read."""

    column: str
    is_descending: bool

    @property
    def name(self) -> str:
        """Its name as Django orders by it."""
        return f"-{self.column}" if self.is_descending else self.column

    def of(self, row: Any) -> Any:
        """Give the value of a row as plain data."""
        for part in self.column.split("__"):
            row = getattr(row, part)
        return (row - _EPOCH) // _US if isinstance(row, datetime) else row

    def read(self, value: Any) -> Any:
        """Give the value of a token. Raises ValueError."""
        if self.column.endswith("name"):
            if not isinstance(value, str) or "\0" in value:
                raise ValueError("no name")
            return value
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
            raise ValueError("no number")
        return _EPOCH + value * _US if self.column.endswith("_at") else value


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for, in which order, and a mark that binds the tokens of its pages to it."""

    where: Q
    keys: Sequence[Key]
    mark: str
    seeks: Sequence[QuerySet[Any]] = ()  # keys of rows, by parts of what is looked for that have an index each

    def page(self, rows: QuerySet[Row], *, size: int, token: str) -> tuple[list[Row], str]:
        """Give one page and the token of the next, empty at the end. Raises Invalid for a token of another search."""
        size = min(size, MOST_ROWS)
        found = rows.filter(self.where)
        if token:
            found = found.filter(_after(self.keys, self._read(token)))
        found = self._narrowed(found, size)
        page = list(found.order_by(*(key.name for key in self.keys))[: size + 1])
        if len(page) <= size:
            return page, ""
        del page[size:]
        last = orjson.dumps([self.mark, *(key.of(page[-1]) for key in self.keys)])
        return page, base64.urlsafe_b64encode(last).decode()

    def _narrowed(self, found: QuerySet[Row], size: int) -> QuerySet[Row]:
        """Give fewer rows with the same page: where rows are rare, or no index has the order of all keys."""
        for seek in self.seeks:
            few = list(seek[: FEW + 1])
            if len(few) <= FEW:
                return found.filter(pk__in=few)
        first, *others = self.keys
        if "__" in first.column or not any("__" in key.column for key in others):
            return found
        edge = found.order_by(first.name).values_list(first.column, flat=True)[size : size + 1]
        return found.filter(_bounded(first, edge[0], is_end=True)) if edge else found

    def _read(self, token: str) -> list[Any]:
        try:
            mark, *values = orjson.loads(base64.b64decode(token.encode(), altchars=b"-_", validate=True))
            if mark != self.mark:
                raise Invalid("Invalid page token: it belongs to another search.")
            return [key.read(value) for key, value in zip(self.keys, values, strict=True)]
        except (binascii.Error, ValueError, TypeError, UnicodeError, OverflowError):
            raise Invalid("Invalid page token.") from None


def model_search(filter_text: str, order: Sequence[str]) -> Search:
    """Give the search for models of a filter and an order. Raises Invalid."""
    where = Q()
    for one in parse_filter(filter_text, MODELS):
        where &= _of_tag(one, ModelTag.objects.all(), "model_id") if one.is_tag else _of_text(one, one.key)
    keys = _keys(order, MODELS, _column_of_model)
    if all(key.column != "name" for key in keys):
        keys.append(Key("name", is_descending=False))
    return Search(where, keys, _mark("models", filter_text, order))


def version_search(filter_text: str, order: Sequence[str]) -> Search:
    """Give the search for versions of a filter and an order. Raises Invalid."""
    where, model, source = Q(), Q(), Q()
    seeks: list[QuerySet[Any]] = []
    for one in parse_filter(filter_text, VERSIONS):
        if one.is_tag:
            where &= _of_tag(one, VersionTag.objects.all(), "version_id")
            if one.operator == "=" and not _means_no_prompt(one):
                seeks.append(_tagged(one).values_list("version_id", flat=True))
        elif one.key == "name":
            named = _of_name(one)
            where &= named
            model &= named if one.operator == "=" else Q()
        else:
            where &= _of_text(one, _COLUMNS.get(one.key, one.key))
            source &= _of_start(one) if one.key == "source_path" else Q()
    keys = _keys(order or ["last_updated_timestamp DESC"], VERSIONS, _column_of_version)
    for column, is_descending in (("model__name", False), ("number", True)):
        if all(key.column != column for key in keys):
            keys.append(Key(column, is_descending))
    # Within one model the name orders nothing, and without it the order is that of an index.
    kept = [key for key in keys if key.column != "model__name"] if model else keys
    if source:
        seeks.append(ModelVersion.objects.filter(model & source).order_by().values_list("pk", flat=True))
    return Search(where, kept, _mark("versions", filter_text, order), seeks)


def _keys(order: Sequence[str], grammar: Grammar, column_of: Callable[[str], str]) -> list[Key]:
    return [Key(column_of(name), is_descending) for name, is_descending in parse_order(order, grammar)]


def _column_of_model(name: str) -> str:
    return _COLUMNS.get(name, name)


def _column_of_version(name: str) -> str:
    return "model__name" if name == "name" else _COLUMNS.get(name, name)


def _of_text(one: Condition, column: str) -> Q:
    if one.operator == "=":
        return Q(**{column: one.value})
    if one.operator == "!=":
        return ~Q(**{column: one.value})
    if one.operator == "NOT IN":
        return ~Q(**{f"{column}__in": one.value})
    return Q(**{f"{column}__{_LOOKUPS[one.operator]}": one.value})


def _of_start(one: Condition) -> Q:
    """Ask for the beginning of a source, which has an index; nothing if the condition says nothing of it."""
    if one.operator == "IN" and isinstance(one.value, tuple):
        return Q(source_start__in={value[:SOURCE_START] for value in one.value})
    text = str(one.value)
    if one.operator == "=":
        return Q(source_start=text[:SOURCE_START])
    start = _WILD.split(text, maxsplit=1)[0][:SOURCE_START]
    return Q(source_start__like=f"{start}%") if one.operator == "LIKE" and start else Q()


def _of_name(one: Condition) -> Q:
    """Ask for the models of a name first, so that their versions are found by an index."""
    models = RegisteredModel.objects.filter(_of_text(one, "name"))
    if one.operator == "=":
        return Q(model_id=models.values_list("pk", flat=True).first() or 0)
    return Q(model_id__in=models.values("pk"))


def _of_tag(one: Condition, tags: QuerySet[Any], owner: str) -> Q:
    """Ask for rows that have a tag, also for another value than one; what lacks the tag is no prompt."""
    own = tags.filter(key=one.key)
    if _means_no_prompt(one):
        return ~Q(pk__in=own.filter(value="true").values(owner))
    if one.operator == "=" and own.model is VersionTag:
        return Q(pk__in=_tagged(one).values(owner))
    return Q(pk__in=own.filter(_of_text(one, "value")).values(owner))


def _means_no_prompt(one: Condition) -> bool:
    """Whether all but prompts are meant, as by any condition on that tag that does not ask for prompts."""
    asked = one.operator, str(one.value).lower()
    return one.key == IS_PROMPT and asked not in (("=", "true"), ("!=", "false"))


def _tagged(one: Condition) -> QuerySet[VersionTag]:
    """Give the tags of versions with a key and a value, whose beginning has an index."""
    start = str(one.value)[:VALUE_START]
    return VersionTag.objects.filter(key=one.key, value_start=start, value=one.value).order_by()


def _after(keys: Sequence[Key], values: Sequence[Any]) -> Q:
    """Give what comes after a row, with a bound of the first column alone, which an index can begin at."""
    beyond = Q()
    for key, value in reversed(list(zip(keys, values, strict=True))):
        further = Q(**{f"{key.column}__{'lt' if key.is_descending else 'gt'}": value})
        beyond = further | (Q(**{key.column: value}) & beyond) if beyond else further
    return _bounded(keys[0], values[0]) & beyond


def _bounded(key: Key, value: Any, *, is_end: bool = False) -> Q:
    """Give what comes at a value of one column or after it; with `is_end` at it or before."""
    return Q(**{f"{key.column}__{'gte' if key.is_descending == is_end else 'lte'}": value})


def _mark(kind: str, filter_text: str, order: Sequence[str]) -> str:
    return hashlib.sha256(orjson.dumps([kind, filter_text, list(order)])).hexdigest()[:16]


def present_models() -> QuerySet[RegisteredModel]:
    """Give the models that searches look through."""
    return RegisteredModel.objects.present().select_related("owner").prefetch_related("aliases__version", "tags")


def present_versions() -> ModelVersionQuerySet:
    """Give the versions that searches look through."""
    return ModelVersion.objects.present()
