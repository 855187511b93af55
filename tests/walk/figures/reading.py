"""The figures of a page, each with where it leads, and the rows of a list: read from HTML as a reader sees them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
UNSEEN = {"script", "style", "template", "svg", "select", "dialog", "nav", "aside", "head", "time", "textarea"}
UNITS = r"%|ms|s|points?|rows?|bytes?|[KMGT]B|requests?/\w+|rows a second|set aside"
FIGURE = re.compile(rf"(about )?[+−-]?\d[\d,.]*\+?\s?({UNITS})?( \([\d,]+/[\d,]+\)| of [\d,]+| \d+ s| · .*)?")
COUNT = re.compile(r"([\d,]+)( rows?| set aside)?")
DATA = {"dt-grid", "ev-rows"}  # tables of the rows themselves: what stands there is a value, no figure
CELLS = {"td", "dd"}
CLASSES = {"fm-number", "sv-answer", "fm-count"}


@dataclass(eq=False, slots=True)
class Node:
    """One element."""

    name: str
    attributes: dict[str, str]
    parent: Node | None = None
    children: list[Node | str] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())

    def inner(self) -> Iterator[Node]:
        """Give all elements in it that are seen."""
        for child in self.children:
            if isinstance(child, Node) and child.name not in UNSEEN:
                yield child
                yield from child.inner()

    def around(self) -> Iterator[Node]:
        """Give the elements that it lies in, the nearest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def text(self, without: frozenset[str] = frozenset({"small", "button"})) -> str:
        """Give its words, without those in small beside it."""
        parts = (
            child if isinstance(child, str) else child.text(without)
            for child in self.children
            if isinstance(child, str) or child.name not in UNSEEN | without
        )
        return " ".join("".join(parts).split())


class _Tree(HTMLParser):
    """Builds the tree; an end that nothing began is passed over."""

    def __init__(self) -> None:
        super().__init__()
        self.root = self.at = Node("", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs}, self.at)
        self.at.children.append(node)
        if tag not in VOID:
            self.at = node

    def handle_endtag(self, tag: str) -> None:
        for node in (self.at, *self.at.around()):
            if node.name == tag and node.parent:
                self.at = node.parent
                return

    def handle_data(self, data: str) -> None:
        self.at.children.append(data)


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that stands alone on a page. `is_of_row`: it stands in a line that leads to the row it is a fact of."""

    label: str
    text: str
    url: str
    is_of_row: bool

    @property
    def count(self) -> int | None:
        """How many rows it speaks of, where it is a count."""
        found = COUNT.fullmatch(self.text)
        return int(found[1].replace(",", "")) if found else None


def tree_of(html: str) -> Node:
    """Give the elements of a page."""
    tree = _Tree()
    tree.feed(html)
    tree.close()
    return tree.root


def figures(html: str) -> list[Figure]:
    """Give the figures of a page."""
    root = tree_of(html)
    content = next((node for node in root.inner() if node.attributes.get("id") == "content"), root)
    return [
        Figure(_label(node), text, _link(node), _is_of_row(node))
        for node in content.inner()
        if _is_cell(node) and FIGURE.fullmatch(text := node.text()) and not any(map(_is_cell, node.inner()))
    ]


def row_count(html: str, fragment: str = "") -> tuple[int, str]:
    """Give how many rows a list shows, and where it goes on, empty at its end."""
    root = tree_of(html)
    place = next((node for node in root.inner() if fragment and node.attributes.get("id") == fragment), root)
    listed = [
        node
        for node in place.inner()
        if node.attributes.keys() & {"data-rows", "data-lines"} or node.attributes.get("id") == "result_list"
    ]
    rows = [node for one in listed for node in one.inner() if node.name in ("tr", "li") and not _is_head(node)]
    links = [node for one in root.children if isinstance(one, Node) for node in _all(one) if node.name == "a"]
    onward = [node for node in links if node.attributes.get("rel") == "next" or "data-next" in node.attributes]
    return len(rows), onward[0].attributes["href"] if onward else ""


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        if isinstance(child, Node):
            yield from _all(child)


def _is_head(row: Node) -> bool:
    return any(node.name == "thead" for node in row.around())


def _is_cell(node: Node) -> bool:
    if any(one.classes & DATA for one in node.around()):
        return False
    return node.name in CELLS or bool(node.classes & CLASSES)


def _link(node: Node) -> str:
    links = [one for one in (*node.around(), node, *node.inner()) if one.name == "a" and one.attributes.get("href")]
    return links[0].attributes["href"] if links else ""


def _label(node: Node) -> str:
    """Give the head of its column, else the term before it."""
    cell = next((one for one in (node, *node.around()) if one.name in CELLS), node)
    if cell.name == "td":
        row, table = cell.parent, next((one for one in cell.around() if one.name == "table"), None)
        own = [one for one in row.children if isinstance(one, Node)] if row else []
        heads = [one for one in table.inner() if one.name == "th" and _is_head(one)] if table else []
        place = own.index(cell)
        return heads[place].text(frozenset()) if place < len(heads) else ""
    siblings = [one for one in cell.parent.children if isinstance(one, Node)] if cell.parent else []
    before = [one for one in siblings[: siblings.index(cell)] if one.name == "dt"] if cell in siblings else []
    return before[-1].text(frozenset()) if before else ""


def _is_of_row(node: Node) -> bool:
    row = next((one for one in node.around() if one.name == "tr"), None)
    first = next((one for one in row.inner() if one.name in ("th", "td")), None) if row else None
    firsts = [one for one in row.inner() if one.name == "th"] if row else []
    lines = [*firsts, first] if first else []
    return any(one.name == "a" for line in lines for one in line.inner())
