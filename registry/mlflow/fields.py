"""The fields of a request, read one by one, each refused in MLflow's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from common.errors import Invalid
from common.names import composed
from common.strict_json import check_text
from registry.naming import MAX_VALUE_CHARACTERS

LONGEST_TEXT = 20_000
MOST_ITEMS = 1000
_SHOWN = 200


class Fields:
    """What a caller said, by name. Fields that nobody asks for are left alone, as MLflow does."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said = said

    def __contains__(self, name: str) -> bool:
        return self._said.get(name) is not None

    def need(self, name: str, *, most: int = LONGEST_TEXT) -> str:
        """Give a text that must be there. Raises Invalid."""
        if self._said.get(name) in (None, ""):
            raise self.missing(name)
        return self.text(name, most=most)

    def name(self, name: str = "name") -> str:
        """Give a name that must be there, in the form in which names are kept."""
        return composed(self.need(name))

    def text(self, name: str, default: str = "", *, most: int = LONGEST_TEXT) -> str:
        """Give a text. Raises Invalid for anything else, NUL, half a surrogate pair, or more than `most` characters."""
        value = self._said.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise _bad(name, "a string", value)
        if len(value) > most:
            raise Invalid(f"Parameter '{name}' had length {len(value)}, which exceeded length limit of {most}")
        return check_text(value, field=name)

    def maybe(self, name: str) -> str | None:
        """Give a text, None where it was not said."""
        return self.text(name) if name in self else None

    def version(self, name: str = "version") -> int:
        """Give the number of a version, which MLflow writes as a string. Raises Invalid."""
        value = self._said.get(name)
        if value in (None, ""):
            raise self.missing(name)
        text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not (text.isascii() and text.removeprefix("-").isdigit()) or len(text) > LONGEST_TEXT:
            raise _bad(name, "an integer", value)
        return int(text) if len(text) < 10 else 0  # there is no version of so many digits

    def number(self, name: str, *, default: int, most: int) -> int:
        """Give a whole number from 1 to `most`. Raises Invalid."""
        value = self._said.get(name)
        if value in (None, ""):
            return default
        text = str(value)
        if isinstance(value, bool) or not (text.isascii() and text.removeprefix("-").isdigit()):
            raise _bad(name, "an integer", value)
        said = f"but got value {text[:20]}"
        if text.startswith("-") or not text.strip("0"):
            raise Invalid(f"Invalid value for request parameter {name}. It must be a positive integer, {said}")
        if len(text) > 9 or int(text) > most:
            raise Invalid(f"Invalid value for request parameter {name}. It must be at most {most}, {said}")
        return int(text)

    def flag(self, name: str) -> bool:
        """Give yes or no; no where it was not said."""
        value = self._said.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        if str(value).lower() not in ("true", "false"):
            raise _bad(name, "a boolean", value)
        return str(value).lower() == "true"

    def texts(self, name: str) -> list[str]:
        """Give some texts; in a query a single one stands for itself."""
        value = self._said.get(name)
        found = [value] if isinstance(value, str) else value or []
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise _bad(name, "a list of strings", value)
        if len(found) > MOST_ITEMS:
            raise Invalid(f"Parameter '{name}' has more than {MOST_ITEMS} values.")
        return [check_text(one, field=name) for one in found]

    def items(self, name: str, *, most: int = MOST_ITEMS) -> list[Fields]:
        """Give a list of at most so many objects."""
        value = self._said.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise _bad(name, "a list of objects", value)
        if len(value) > most:
            raise Invalid(f"Parameter '{name}' has more than {most} values.")
        return [Fields(one) for one in value]

    def item(self, name: str) -> Fields | None:
        """Give an object, None where it was not said."""
        value = self._said.get(name)
        if value is not None and not isinstance(value, dict):
            raise _bad(name, "an object", value)
        return Fields(value) if value else None

    def tags(self) -> dict[str, str]:
        """Give tags by key; of two of one key the later stands, as MLflow has it."""
        return {tag.need("key"): tag.text("value", most=MAX_VALUE_CHARACTERS) for tag in self.items("tags")}

    @staticmethod
    def missing(name: str) -> Invalid:
        """Give the refusal of a request without a field."""
        more = "See the API docs for more information about request parameters."
        return Invalid(f"Missing value for required parameter '{name}'. {more}")


def _bad(name: str, kind: str, value: object) -> Invalid:
    return Invalid(f"Parameter '{name}' must be {kind}, got '{str(value)[:_SHOWN]}'.")
