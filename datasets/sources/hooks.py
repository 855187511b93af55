"""The list of all kinds of source, and what a kind is. Higher apps add theirs in their `AppConfig.ready`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from common.errors import Invalid

if TYPE_CHECKING:
    from files.models import Blob

LOOK_BYTES = 4 << 20
LOOK_ROWS = 200
LOOK_S = 15.0


@dataclass(frozen=True, slots=True)
class SourceField:
    """One thing that a kind of source asks for; `form` is text, area, number, time, secret, file, version or choice."""

    name: str
    label: Any
    form: str = "text"
    help: Any = ""
    is_required: bool = True
    choices: Callable[[], Sequence[tuple[str, str]]] | None = None


@dataclass(frozen=True, slots=True)
class Fetching:
    """Where a source puts its bytes, and how many; for a look only the beginning is wanted. `tell` may raise."""

    folder: Path
    most_bytes: int
    seconds: float
    is_look: bool = False
    most_rows: int | None = None
    tell: Callable[[int, int | None], None] = lambda _done, _total: None


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that a source gave; `types` says of columns what they are, where the source knows it."""

    path: Path
    name: str
    is_bundle: bool = False
    is_cut: bool = False
    types: Mapping[str, str] = field(default_factory=dict)


class SourceKind(ABC):
    """One kind of source."""

    kind: ClassVar[str]
    label: ClassVar[Any]
    help: ClassVar[Any] = ""
    icon: ClassVar[str] = "database"
    fields: ClassVar[Sequence[SourceField]] = ()
    permission: ClassVar[str] = ""  # beyond that of importing; doors ask for it
    has_forms: ClassVar[bool] = True  # whether its files can be of several formats, which a person may choose

    def is_offered(self) -> bool:
        """Whether this installation has such sources at all."""
        return True

    @abstractmethod
    def prepare(self, options: Mapping[str, Any], actor: Any) -> dict[str, Any]:
        """Give options in plain form. Raises Invalid naming the field, NotFound, NotAllowed."""

    @abstractmethod
    def label_of(self, options: Mapping[str, Any]) -> str:
        """Name what is read."""

    def blob_of(self, options: Mapping[str, Any]) -> Blob | None:
        """Give the bytes where they are in the store already."""
        return None

    def address_of(self, options: Mapping[str, Any]) -> str:
        """Give what a secret belongs to: where it changes, the secret must be given again."""
        return ""

    def page_of(self, options: Mapping[str, Any]) -> str:
        """Give the page here of what is read, empty where it has none."""
        return ""

    @abstractmethod
    def fetch(self, options: Mapping[str, Any], secret: str, fetching: Fetching) -> Fetched:
        """Bring the bytes here. Raises a FluemanError."""


_kinds: dict[str, SourceKind] = {}


def register_source(source: SourceKind) -> None:
    """Add a kind of source."""
    _kinds[source.kind] = source


def sources() -> list[SourceKind]:
    """Give the kinds of source that this installation has."""
    return [source for source in _kinds.values() if source.is_offered()]


def source_of(kind: str) -> SourceKind:
    """Give a kind. Raises Invalid if there is none of that name."""
    found = _kinds.get(kind)
    if found is None or not found.is_offered():
        names = ", ".join(source.kind for source in sources())
        said = _("There is no source “%(kind)s”. There are: %(names)s.") % {"kind": kind[:50], "names": names}
        raise Invalid(said, code="unknown_source", fields={"kind": said})
    return found


def page_of(kind: str, options: Mapping[str, Any]) -> str:
    """Give the page here of what a source read, by its options as they are kept; empty where there is none."""
    asked, found = options.get("asked"), _kinds.get(kind)
    return found.page_of(asked) if found and isinstance(asked, Mapping) else ""


def wanted(source: SourceKind, options: Mapping[str, Any]) -> dict[str, str]:
    """Give the options of a kind as texts. Raises Invalid for one that is missing, too long or unknown."""
    known = {one.name: one for one in source.fields if one.form != "secret"}
    for name in options.keys() - known.keys():
        raise Invalid(_("There is no such option."), fields={str(name)[:50]: _("There is no such option.")})
    found = {}
    for name, one in known.items():
        value = options.get(name, "")
        value = "" if value is None else str(value).strip()
        if one.is_required and not value:
            raise Invalid(_("This is needed."), fields={name: _("This is needed.")})
        if len(value) > 20_000 or "\0" in value:
            said = _("This text is too long, or holds a character that no text has.")
            raise Invalid(said, fields={name: said})
        found[name] = value
    return found


def moment_of(name: str, text: str) -> datetime | None:
    """Give the time that an option says, `None` for an empty one. Raises Invalid naming it."""
    if not text:
        return None
    try:
        found = parse_datetime(text.replace(" ", "T", 1))
    except ValueError:
        found = None
    if found is None:
        said = _("Write the time as 2026-01-31T09:00.")
        raise Invalid(said, fields={name: said})
    return found if timezone.is_aware(found) else timezone.make_aware(found)
