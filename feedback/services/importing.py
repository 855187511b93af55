"""Feedback that was gathered elsewhere, brought in from a file by a job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _

from audit.services import record
from common.errors import FluemanError, Invalid
from common.numbers import whole
from common.onlooker import Onlooker
from common.strict_json import loads
from common.transactions import transactional
from datasets.content import local_path
from feedback.interchange.lines import Aside, Line, read_lines
from feedback.models import Feedback
from feedback.services.feedback import NOTHING, Given, Person, give_feedback
from feedback.targets import find_target
from files.models import StoredFile
from inference import feedback_tokens
from jobs import services as jobs
from jobs.models import Job
from notify.services import publish

IMPORT = "feedback.import"
AT_ONCE = 25
TARGETS = ("request_id", "batch_run", "row")
PERSONS = ("person", "end_user")
_THUMBS = {"up": 1, "down": -1, "1": 1, "+1": 1, "-1": -1, "👍": 1, "👎": -1}


@transactional
def begin_import(*, file: StoredFile, actor: Any) -> Job:
    """Put the import of a file of the actor's in the queue; one at a time for each file."""
    payload = {"file": str(file.pk)}
    job = jobs.enqueue(kind=IMPORT, payload=payload, actor=actor, target=file, key=f"{IMPORT}.{file.pk}")
    record(action="feedback.import_begun", actor=actor, target=file, after={"file": file.name})
    return job


def import_rows(*, file: StoredFile, actor: Any, report: Callable[[float], None]) -> dict[str, Any]:
    """Take in each row of a file, and give the counts with the rows set aside. Not inside a transaction.

    A file that is brought in again changes nothing that it said before. Raises Invalid for a file without rows.
    """
    aside, counted, whole = Aside(), Counter[str](), max(1, file.blob.size_bytes)
    sight = Onlooker(actor)
    with local_path(file.blob).open("rb") as stream:
        lines = read_lines(stream, file.name, aside)
        while some := list(islice(lines, AT_ONCE)):
            for line, taken in zip(some, _take_some(some, actor, sight), strict=True):
                if isinstance(taken, Given):
                    counted["new" if taken.is_new else "changed" if taken.is_changed else "same"] += 1
                else:
                    aside.add(line.number, _told(taken))
            report(99 * stream.tell() / whole)
    if not counted and not aside.count:
        raise Invalid(_("There are no rows in “%(source)s”.") % {"source": file.name}, code="no_rows")
    found = {name: counted[name] for name in ("new", "changed", "same")} | {"set_aside": aside.count}
    _tell(file, actor, found)
    return {**found, "rows": counted.total() + aside.count, "rejects": aside.first}


@transactional
def _tell(file: StoredFile, actor: Any, found: Mapping[str, int]) -> None:
    """Record an import and publish it: one event for all its rows."""
    record(action="feedback.imported", actor=actor, target=file, after=found)
    publish(event="feedback.imported", payload={"file": file.name, **found}, target=file)


@transactional
def _take_some(lines: Sequence[Line], actor: Any, sight: Onlooker) -> list[Given | FluemanError]:
    """Take rows together; give for each what became of it, or what is wrong with it."""
    return [_taken(line.values, actor, sight) for line in lines]


def _taken(values: Mapping[str, Any], actor: Any, sight: Onlooker) -> Given | FluemanError:
    try:
        return _take(values, actor, sight)
    except FluemanError as error:
        return error


def _take(values: Mapping[str, Any], actor: Any, sight: Onlooker) -> Given:
    """Take one row. Raises a FluemanError that says what is wrong with it."""
    known = (*TARGETS, *PERSONS, *NOTHING)
    if unknown := [name for name in values if name not in known]:
        said = _("There is no column “%(column)s”. There are: %(columns)s.")
        raise Invalid(said % {"column": unknown[0][:50], "columns": ", ".join(known)})
    judged = find_target({name: values[name] for name in TARGETS if name in values}, caller=sight)
    person = _person(values, actor)
    words = _said(values)
    try:
        return _give(judged=judged, person=person, said=words)
    except Invalid as error:
        read = _as_json(words.get("correction"))
        if "correction" not in error.fields or read is None:
            raise
        return _give(judged=judged, person=person, said={**words, "correction": read})


def _give(**given: Any) -> Given:
    return give_feedback(source=Feedback.Source.IMPORT, **given)


def _person(values: Mapping[str, Any], actor: Any) -> Person:
    given = next((values[name] for name in PERSONS if values.get(name)), "")
    name = feedback_tokens.end_user_name(str(given), field="person")
    if not name:
        said = _("Say whose judgement it is: the column “person” is empty.")
        raise Invalid(said, fields={"person": said})
    return Person(f"end_user:{name}", name, actor.pk)


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a row says: cells of CSV are texts, values of JSON have their kinds already."""
    said = {name: values[name] for name in NOTHING if values.get(name) not in (None, "")}
    if isinstance(said.get("thumb"), str):
        said["thumb"] = _THUMBS.get(said["thumb"].strip().lower(), said["thumb"])
    if isinstance(said.get("rating"), str) and (rating := whole(said["rating"].strip())) is not None:
        said["rating"] = rating
    if isinstance(said.get("labels"), str):
        listed = _as_json(said["labels"])
        said["labels"] = listed if isinstance(listed, list) else [one for one in said["labels"].split(";") if one]
    return said


def _as_json(text: Any) -> Any:
    """Give the value that a text writes down, `None` where it is none."""
    if not isinstance(text, str):
        return None
    try:
        return loads(text.encode("utf-8", "surrogatepass"))
    except Invalid:
        return None


def _told(error: FluemanError) -> str:
    return "; ".join(f"{name}: {said}" for name, said in error.fields.items()) or error.message
