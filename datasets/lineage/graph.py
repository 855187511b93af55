"""Where rows came from and what became of them, as a graph around one version: bounded, a few queries a generation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from common.display import thousands
from datasets.models import DatasetVersion
from datasets.sources.hooks import page_of
from datasets.usage import Product, find_products

MOST_NODES = 60
MOST_PRODUCTS = 60  # boxes of what was made of versions
MOST_BESIDE = 8  # children of one version
GENERATIONS = 12
_IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Node:
    """A box: `kind` is source, version, recipe, split, model, evaluation, deployment or more."""

    id: str
    kind: str
    label: str
    note: str = ""
    url: str = ""
    at: datetime | None = None
    is_here: bool = False


@dataclass(slots=True)
class Graph:
    """Boxes and arrows, each from what was there to what was made of it."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def add(self, node: Node) -> Node:
        """Add a box once."""
        return self.nodes.setdefault(node.id, node)

    def join(self, first: str, second: str) -> None:
        """Add an arrow once."""
        if (first, second) not in self.edges:
            self.edges.append((first, second))

    @property
    def is_full(self) -> bool:
        """Whether no more boxes are wanted."""
        return len(self.nodes) >= MOST_NODES


def lineage_of(version: DatasetVersion) -> Graph:
    """Give the graph around a version; where it is too large, boxes say how much more there is."""
    graph = Graph()
    here = _versions([version.pk])
    if here:
        graph.add(_version(here[0], is_here=True))
    _add_ancestors(graph, here)
    _add_descendants(graph, here)
    _add_products(graph)
    return graph


def as_dict(graph: Graph) -> dict[str, Any]:
    """Give the graph as plain data."""
    return {
        "nodes": [
            {"id": one.id, "kind": one.kind, "label": one.label, "note": one.note, "url": one.url, "at": one.at}
            for one in graph.nodes.values()
        ],
        "edges": [{"from": first, "to": second} for first, second in graph.edges],
    }


def _versions(keys: Iterable[UUID]) -> list[DatasetVersion]:
    found = DatasetVersion.objects.filter(pk__in=list(keys))
    return list(found.select_related("dataset", "source", "recipe__recipe", "preprocessing").order_by("id"))


def _add_ancestors(graph: Graph, generation: list[DatasetVersion]) -> None:
    for number in range(GENERATIONS + 1):
        wanted: dict[UUID, list[str]] = {}
        for version in generation:
            made_by = _add_making(graph, version)
            for key in _parents(version):
                wanted.setdefault(key, []).append(made_by)
        generation = _versions(wanted) if wanted else []
        if graph.is_full or number == GENERATIONS:
            _add_earlier(graph, [end for parent in generation for end in wanted[parent.pk]])
            return
        for parent in generation:
            node = graph.add(_version(parent))
            for made_by in wanted[parent.pk]:
                graph.join(node.id, made_by)
        if not generation:
            return


def _add_descendants(graph: Graph, generation: list[DatasetVersion]) -> None:
    for number in range(GENERATIONS + 1):
        found = DatasetVersion.objects.filter(parent__in=[one.pk for one in generation]).exclude(state="failed")
        ids = list(found.order_by("-id").values_list("pk", "parent_id")[: MOST_NODES * 2]) if generation else []
        by_parent: dict[Any, list[UUID]] = {}
        for key, above in ids:
            by_parent.setdefault(above, []).append(key)
        for above, keys in by_parent.items():
            _add_more(graph, f"version:{above}", "versions", len(keys) - MOST_BESIDE)
        wanted = [key for keys in by_parent.values() for key in keys[:MOST_BESIDE]]
        if graph.is_full or number == GENERATIONS:
            for above, keys in by_parent.items():
                _add_more(graph, f"version:{above}", "versions", len(keys))
            return
        generation = _versions(wanted)
        for child in generation:
            graph.add(_version(child))
            graph.join(f"version:{child.parent_id}", _add_making(graph, child))
        if not generation:
            return


def _add_making(graph: Graph, version: DatasetVersion) -> str:
    """Add what a version was made by, between it and what it was made of; give the upper end."""
    own = f"version:{version.pk}"
    making = _making(version)
    if making is None:
        return own
    graph.add(making)
    graph.join(making.id, own)
    return making.id


def _making(version: DatasetVersion) -> Node | None:
    if version.recipe:
        url = _page("recipe", version.recipe.recipe_id)
        return Node(f"recipe:{version.pk}", "recipe", str(version.recipe), _("recipe"), url, version.recipe.created_at)
    if version.source:
        kind = str(version.source.get_kind_display())
        url = page_of(version.source.kind, version.source.options)
        return Node(f"source:{version.source_id}", "source", version.source.label, kind, url, version.source.created_at)
    if version.parent_id:
        work = getattr(version, "preprocessing", None)
        label = str(work.get_kind_display()) if work else _("made of")
        url = _page("preprocessingjob", work.pk) if work else ""
        return Node(f"split:{version.pk}", "split", label, version.description, url, version.created_at)
    return None


def _parents(version: DatasetVersion) -> list[UUID]:
    """Give what rows were taken from: the parent, one read as source, others that steps name."""
    said = [str(version.recipe.steps if version.recipe else ""), str(version.source.options if version.source else "")]
    others = [UUID(text) for text in _IDS.findall(" ".join(said))]
    found = [version.parent_id, *others] if version.parent_id else others
    return [one for one in dict.fromkeys(found) if one != version.pk]


def _add_products(graph: Graph) -> None:
    keys = [UUID(one.id.partition(":")[2]) for one in graph.nodes.values() if one.kind == "version"]
    found, most = find_products(keys), len(graph.nodes) + MOST_PRODUCTS
    for key in filter(found.__contains__, keys):
        own = f"version:{key}"
        for product in found[key]:
            if len(graph.nodes) >= most:
                node = graph.add(Node(f"more products:{own}", "more", _("more"), "", _page("datasetversion", key)))
                graph.join(own, node.id)
                break
            _add_product(graph, own, product)


def _add_product(graph: Graph, above: str, product: Product) -> None:
    own = f"{product.kind}:{product.id}"
    graph.add(Node(own, product.kind, product.label, product.note, product.url, product.at))
    graph.join(above, own)
    for below in product.products[:MOST_BESIDE]:
        _add_product(graph, own, below)


def _add_more(graph: Graph, above: str, kind: str, count: int) -> None:
    if count > 0:
        node = graph.add(Node(f"more {kind}:{above}", "more", _("%(count)d more") % {"count": count}))
        graph.join(above, node.id)


def _add_earlier(graph: Graph, made_by: list[str]) -> None:
    """Say that there is something above that is not drawn."""
    for below in dict.fromkeys(made_by):
        node = graph.add(Node(f"earlier:{below}", "more", _("earlier versions")))
        graph.join(node.id, below)


def _version(version: DatasetVersion, *, is_here: bool = False) -> Node:
    note = _("%(rows)s rows") % {"rows": thousands(version.rows)}
    if not version.is_sealed:
        note = str(version.get_state_display())
    url = _page("datasetversion", version.pk)
    return Node(f"version:{version.pk}", "version", str(version), note, url, version.created_at, is_here)


def _page(model: str, key: Any) -> str:
    return reverse(f"admin:datasets_{model}_change", args=[key])
