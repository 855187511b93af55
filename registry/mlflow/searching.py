"""Searches: conditions as a query, pages by key and not by number, in the order that was asked for."""

from __future__ import annotations

import base64
import binascii
import hashlib
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

# A search may name more; the rest comes on the next page, so that no answer fills the memory.
MOST_ROWS = 10_000
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

    def page(self, rows: QuerySet[Row], *, size: int, token: str) -> tuple[list[Row], str]:
        """Give one page and the token of the next, empty at the end. Raises Invalid for a token of another search."""
        size = min(size, MOST_ROWS)
        found = rows.filter(self.where)
        if token:
            found = found.filter(_after(self.keys, self._read(token)))
        page = list(found.order_by(*(key.name for key in self.keys))[: size + 1])
        if len(page) <= size:
            return page, ""
        del page[size:]
        last = orjson.dumps([self.mark, *(key.of(page[-1]) for key in self.keys)])
        return page, base64.urlsafe_b64encode(last).decode()

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
    where, is_one_model = Q(), False
    for one in parse_filter(filter_text, VERSIONS):
        if one.is_tag:
            where &= _of_tag(one, VersionTag.objects.all(), "version_id")
        elif one.key == "name":
            is_one_model = is_one_model or one.operator == "="
            where &= _of_name(one)
        else:
            where &= _of_text(one, _COLUMNS.get(one.key, one.key))
    keys = _keys(order or ["last_updated_timestamp DESC"], VERSIONS, _column_of_version)
    for column, is_descending in (("model__name", False), ("number", True)):
        if all(key.column != column for key in keys):
            keys.append(Key(column, is_descending))
    # Within one model the name orders nothing, and without it the order is that of an index.
    kept = [key for key in keys if key.column != "model__name"] if is_one_model else keys
    return Search(where, kept, _mark("versions", filter_text, order))


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


def _of_name(one: Condition) -> Q:
    """Ask for the models of a name first, so that their versions are found by an index."""
    models = RegisteredModel.objects.filter(_of_text(one, "name"))
    if one.operator == "=":
        return Q(model_id=models.values_list("pk", flat=True).first() or 0)
    return Q(model_id__in=models.values("pk"))


def _of_tag(one: Condition, tags: QuerySet[Any], owner: str) -> Q:
    """Ask for rows with a tag; one without the tag has another value than any, and is no prompt."""
    own = tags.filter(key=one.key)
    if one.operator == "!=":
        return ~Q(pk__in=own.filter(value=one.value).values(owner))
    if one.key == IS_PROMPT and (one.operator, one.value) == ("=", "false"):
        return ~Q(pk__in=own.exclude(value="false").values(owner))
    if one.operator == "=" and own.model is VersionTag:
        own = own.filter(value_start=str(one.value)[:VALUE_START])  # it has an index
    return Q(pk__in=own.filter(_of_text(one, "value")).values(owner))


def _after(keys: Sequence[Key], values: Sequence[Any]) -> Q:
    """Give what comes after a row, with a bound of the first column alone, which an index can begin at."""
    beyond = Q()
    for key, value in reversed(list(zip(keys, values, strict=True))):
        further = Q(**{f"{key.column}__{'lt' if key.is_descending else 'gt'}": value})
        beyond = further | (Q(**{key.column: value}) & beyond) if beyond else further
    first = keys[0]
    return Q(**{f"{first.column}__{'lte' if first.is_descending else 'gte'}": values[0]}) & beyond


def _mark(kind: str, filter_text: str, order: Sequence[str]) -> str:
    return hashlib.sha256(orjson.dumps([kind, filter_text, list(order)])).hexdigest()[:16]


def present_models() -> QuerySet[RegisteredModel]:
    """Give the models that searches look through."""
    return RegisteredModel.objects.present().select_related("owner").prefetch_related("aliases__version", "tags")


def present_versions() -> ModelVersionQuerySet:
    """Give the versions that searches look through."""
    return ModelVersion.objects.present()
