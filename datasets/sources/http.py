"""Rows from a web address: checked where it connects, gone on with where it broke off, noticed when it changes."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from common.display import size
from common.errors import Invalid, TooLarge, Unavailable, Unprocessable
from common.numbers import whole
from common.outgoing import Download, check_url, download
from datasets.sources.hooks import Fetched, Fetching, SourceField, SourceKind, wanted
from files.storage import told_when_full

TRIES = 6
PAUSE_S = 0.5
_PIECE = 1 << 18
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_FORBIDDEN = ("host", "content-length", "transfer-encoding", "connection", "range", "if-range", "accept-encoding")


class HttpSource(SourceKind):
    """One file at a web address."""

    kind, label, icon = "http", _("web address"), "link"
    help = _("One file at an https address. It is fetched once; if the connection breaks, it goes on where it was.")
    fields = (
        SourceField("url", _("Address"), help=_("https://…")),
        SourceField("header", _("Name of a secret header"), help=_("Authorization, X-Api-Key, …"), is_required=False),
        SourceField("secret", _("Value of that header"), form="secret", is_required=False),
    )

    def prepare(self, options: Mapping[str, Any], actor: Any) -> dict[str, Any]:
        """Check address and header."""
        found = wanted(self, options)
        found["url"] = check_url(found["url"])
        header = found["header"]
        if header and (not _HEADER.fullmatch(header) or header.lower() in _FORBIDDEN):
            said = gettext("This is no header that can be sent.")
            raise Invalid(said, fields={"header": said})
        return found

    def label_of(self, options: Mapping[str, Any]) -> str:
        """Give the address without its query, which may hold a key."""
        return str(options["url"]).partition("?")[0][:255]

    def address_of(self, options: Mapping[str, Any]) -> str:
        """Give scheme, host and port."""
        parts = urlsplit(options["url"])
        return f"{parts.scheme}://{parts.netloc}"

    def fetch(self, options: Mapping[str, Any], secret: str, fetching: Fetching) -> Fetched:
        """Fetch the file."""
        if any(mark in secret for mark in "\r\n\0"):
            raise Invalid(
                gettext("This is no header that can be sent."), fields={"secret": gettext("It has line breaks.")}
            )
        headers = {options.get("header") or "Authorization": secret} if secret else {}
        saved = Saving(options["url"], fetching.folder / "fetched", headers, fetching).run()
        return Fetched(saved.path, saved.name, is_cut=saved.is_cut)


@dataclass(frozen=True, slots=True)
class Saved:
    """What an address gave."""

    path: Path
    name: str
    is_cut: bool


class Saving:
    """One address on its way into a file."""

    def __init__(self, url: str, path: Path, headers: Mapping[str, str], fetching: Fetching) -> None:
        self._url, self._path, self._headers, self._fetching = url, path, dict(headers), fetching
        self._until = time.monotonic() + fetching.seconds
        self._have, self._mark, self._changes = 0, "", 0
        self._name = _name_of(url)
        self._is_cut = False

    def run(self) -> Saved:
        """Fetch, and go on where the connection breaks. Raises Invalid, Unavailable, TooLarge, Unprocessable."""
        broken = 0
        self._path.unlink(missing_ok=True)
        while True:
            before = self._have
            try:
                self._once()
                return Saved(self._path, self._name, self._is_cut)
            except Unavailable as error:
                broken = 1 if self._have > before and self._mark else broken + 1
                if broken >= TRIES or time.monotonic() > self._until or self._fetching.is_look:
                    raise
                if error.code == "answer_status" and error.retry_after_s:
                    time.sleep(min(error.retry_after_s, 30))
                time.sleep(PAUSE_S * 2 ** (broken - 1))

    def _once(self) -> None:
        is_further = bool(self._have and self._mark)
        asked = {"Range": f"bytes={self._have}-", "If-Range": self._mark} if is_further else {}
        left_s = max(0.1, self._until - time.monotonic())
        with download(self._url, headers={**self._headers, **asked}, timeout_s=left_s) as answer:
            _check_status(answer)
            if answer.status == 206 and is_further and _starts_at(answer, self._have):
                self._write(answer, "ab")
                return
            self._begin(answer)
            self._write(answer, "wb")

    def _begin(self, answer: Download) -> None:
        """Begin anew: the first time, where the server cannot go on, or where the file is another by now."""
        mark = _mark_of(answer)
        if self._mark and mark != self._mark:
            self._changes += 1
            if self._changes > 2:
                said = gettext("What is at the address changes while it is read. Import it when it stays as it is.")
                raise Unprocessable(said, code="source_changed")
        self._mark, self._have = mark, 0
        self._name = _told_name(answer) or self._name

    def _write(self, answer: Download, mode: str) -> None:
        length = whole(answer.headers.get("content-length", ""))
        total = None if length is None else self._have + length
        most = self._fetching.most_bytes
        if total is not None and total > most and not self._fetching.is_look:
            raise _too_large(most)
        with told_when_full(), self._path.open(mode) as file:
            while piece := answer.read(_PIECE):
                file.write(piece)
                self._have += len(piece)
                self._fetching.tell(self._have, total)
                if self._have > most:
                    if not self._fetching.is_look:
                        raise _too_large(most)
                    self._is_cut = True
                    return


def _too_large(most: int) -> TooLarge:
    return TooLarge(gettext("The source gives more than %(most)s.") % {"most": size(most)})


def _check_status(answer: Download) -> None:
    if answer.status in (200, 206):
        return
    said = gettext("The address answers with status %(status)d.") % {"status": answer.status}
    if answer.status in (408, 429) or answer.status >= 500:
        raise Unavailable(said, code="answer_status", retry_after_s=whole(answer.headers.get("retry-after", "")))
    if answer.status in (401, 403):
        said += " " + gettext("A key is needed, or the one that was given is not good.")
    raise Invalid(said, code="answer_status", fields={"url": said})


def _starts_at(answer: Download, place: int) -> bool:
    return answer.headers.get("content-range", "").startswith(f"bytes {place}-")


def _mark_of(answer: Download) -> str:
    """Give what tells one state of a file from another: a strong ETag, else the time of its last change."""
    mark = answer.headers.get("etag", "")
    return mark if mark and not mark.startswith("W/") else answer.headers.get("last-modified", "")


def _name_of(url: str) -> str:
    return unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2][:255] or "file"


def _told_name(answer: Download) -> str:
    found = re.search(r"filename\*=UTF-8''([^;]+)", answer.headers.get("content-disposition", ""), re.I)
    if found:
        return unquote(found[1]).rpartition("/")[2][:255]
    found = re.search(r'filename="?([^";]+)', answer.headers.get("content-disposition", ""), re.I)
    return found[1].strip().rpartition("/")[2][:255] if found else ""
