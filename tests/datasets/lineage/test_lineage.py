"""The graph around a version, and its picture."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest
from django.utils import translation

from datasets.lineage import graph as graphs
from datasets.lineage.drawing import cut, cut_name, draw
from datasets.lineage.graph import Graph, Node, as_dict, lineage_of
from datasets.models import DatasetVersion, Source
from datasets.services import split_version
from jobs.runner import run_job
from registry.models import Evaluation, ModelVersion
from registry.services import record_training_data
from registry.services.evaluations import begin_evaluation
from tests.admin.making import log_in, make_deployment
from tests.admin.making import make_version as make_model
from tests.datasets.making import make_owner, make_version
from tests.inference.evaluating.making import evaluate, make_rows
from tests.inference.evaluating.making import make_model_version as make_judged

pytestmark = pytest.mark.django_db
ROWS = pl.DataFrame({"text": ["가", "나", "다"]})


def make_source(version_name: str, **options: Any) -> Source:
    from datasets.services import dataset_named

    dataset = dataset_named(name=version_name, actor=None)
    return Source.objects.create(dataset=dataset, kind="file", label="후기.csv", options=options)


def kinds_of(graph: Graph) -> list[str]:
    return [one.kind for one in graph.nodes.values()]


def make_chain() -> tuple[DatasetVersion, DatasetVersion, ModelVersion]:
    first = make_version(ROWS, source=make_source("문장"))
    made = split_version(version=first, actor=make_owner())
    run_job(str(made.job_id))
    second = DatasetVersion.objects.get(pk=made.version_id)
    model = make_model("intent")
    make_deployment("intent", model)
    record_training_data(version=model, trained_on=[second], actor=None)
    return first, second, model


def test_lineage_when_rows_went_a_long_way_is_the_same_path_from_each_end() -> None:
    first, second, _model = make_chain()
    from_first, from_second = lineage_of(first), lineage_of(second)
    assert set(from_first.nodes) == set(from_second.nodes)
    assert set(from_first.edges) == set(from_second.edges)
    path, here = [], next(one.id for one in from_first.nodes.values() if one.kind == "source")
    while here:
        path.append(from_first.nodes[here].kind)
        here = next((second for first, second in from_first.edges if first == here), "")
    assert path == ["source", "version", "split", "version", "model", "deployment"]
    assert [one.is_here for one in from_second.nodes.values() if one.kind == "version"] == [True, False]


def test_lineage_when_a_recipe_names_another_version_has_it_above() -> None:
    other = make_version(ROWS, dataset="비교")
    version = make_version(ROWS, source=make_source("문장", version=str(other.pk)))
    edges = lineage_of(version).edges
    source = f"source:{version.source_id}"
    assert (f"version:{other.pk}", source) in edges
    assert (source, f"version:{version.pk}") in edges


def test_lineage_when_much_was_made_says_how_much_more_and_asks_no_more(django_assert_max_num_queries: Any) -> None:
    first = make_version(ROWS)
    for _number in range(graphs.MOST_BESIDE + 4):
        make_version(ROWS, parent=first)
    for _number in range(graphs.MOST_BESIDE + 2):
        record_training_data(version=make_model("m"), trained_on=[first], actor=None)
    with django_assert_max_num_queries(12):
        graph = lineage_of(first)
    assert kinds_of(graph).count("version") == graphs.MOST_BESIDE + 1
    assert kinds_of(graph).count("model") == graphs.MOST_BESIDE
    more = [one.label for one in graph.nodes.values() if one.kind == "more"]
    assert sorted(int(re.sub(r"\D", "", label)) for label in more) == [2, 4]
    assert len(as_dict(graph)["nodes"]) == len(graph.nodes)


@translation.override("en")
def test_lineage_when_a_version_was_evaluated_over_it_leads_on_to_the_model_and_where_it_serves() -> None:
    data, right = make_rows(40)
    model = make_judged("intent")
    judged = evaluate(model, data, right, 0.9)
    make_deployment("calls", model)
    graph = lineage_of(data)
    here = f"version:{data.pk}"
    path = [here]
    while path[-1] in (below := dict(graph.edges)):
        path.append(below[path[-1]])
    assert [graph.nodes[one].kind for one in path] == ["version", "evaluation", "model", "deployment"]
    box = graph.nodes[path[1]]
    assert (box.label, box.url) == ("evaluation: intent v1", f"/admin/registry/evaluation/{judged.pk}/change/")
    assert box.note.startswith("accuracy ")
    assert "evaluation: intent v1" in draw(graph)


@translation.override("en")
def test_lineage_when_evaluations_are_many_draws_the_newest_of_each_version_and_leads_to_the_others(
    django_assert_max_num_queries: Any,
) -> None:
    quiet = make_version(ROWS)
    busy = make_version(ROWS, parent=quiet)
    model = make_judged("intent")

    def begin(data: DatasetVersion) -> Evaluation:
        return begin_evaluation(version=model, data=data, task="classification", options={}, actor=None)

    old, made = begin(quiet), [begin(busy) for _number in range(graphs.MOST_BESIDE + 3)]
    with django_assert_max_num_queries(13):
        graph = lineage_of(quiet)
    drawn = {one.id for one in graph.nodes.values() if one.kind == "evaluation"}
    assert drawn == {f"evaluation:{one.pk}" for one in (old, *made[3:])}
    (more,) = (one for one in graph.nodes.values() if one.kind == "more")
    assert more.label == "3 more"
    listed = log_in("operator").get(more.url).content.decode()
    assert str(made[0].pk) in listed
    assert str(old.pk) not in listed


@translation.override("en")
def test_lineage_when_every_version_was_used_much_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MOST_PRODUCTS", 5)
    first = make_version(ROWS)
    for data in (make_version(ROWS, parent=first), first):
        for _number in range(4):
            record_training_data(version=make_model("m"), trained_on=[data], actor=None)
    graph = lineage_of(first)
    assert kinds_of(graph).count("model") == 5
    assert {one.label for one in graph.nodes.values() if one.kind == "more"} == {"more"}
    assert [edge for edge in graph.edges if edge[0] == f"version:{first.pk}" and edge[1].startswith("model:")]


def test_lineage_when_it_is_longer_than_the_picture_says_so_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "GENERATIONS", 2)
    versions = [make_version(ROWS)]
    for _number in range(8):
        versions.append(make_version(ROWS, parent=versions[-1]))
    graph = lineage_of(versions[4])
    assert next(one.label for one in graph.nodes.values() if one.kind == "version") == "문장 v5"
    assert kinds_of(graph).count("version") == 5
    more = [one.id for one in graph.nodes.values() if one.kind == "more"]
    assert len(more) == 2
    assert {first in more for first, second in graph.edges if more[0] in (first, second)} == {True}


def test_picture_when_names_are_hostile_is_text_and_well_formed() -> None:
    graph = Graph()
    graph.add(Node("a", "source", '<script>alert("x")</script>&', "노트", url="/x?a=1&b=2"))
    graph.add(Node("b", "version", "가" * 80, is_here=True))
    graph.join("a", "b")
    html = str(draw(graph))
    picture = re.search(r"<svg.*</svg>", html, re.DOTALL)
    assert picture
    root = ElementTree.fromstring(picture.group().replace("&nbsp;", " "))
    assert "script" not in {element.tag for element in root.iter()}
    assert "<script" not in html
    assert "가" * 11 + "…" in html


def test_picture_when_boxes_are_many_none_lies_on_another() -> None:
    graph = Graph()
    for number in range(40):
        graph.add(Node(str(number), "version", f"v{number}"))
        for above in {number // 2, number // 3} - {number}:
            graph.join(str(above), str(number))
    graph.join("39", "0")  # a circle, which rows never make, must not hang it
    places = re.findall(r"translate\((\d+) (\d+)\)", str(draw(graph)))
    assert len(set(places)) == 40


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("short", "short"), ("x" * 30, "x" * 23 + "…"), ("가나다라마바사아자차카타파", "가나다라마바사아자차카…")],
)
def test_name_when_it_is_long_is_cut_to_the_box(text: str, wanted: str) -> None:
    assert cut(text) == wanted


@pytest.mark.parametrize(
    ("label", "wanted"),
    [("review v1", "review v1"), ("x" * 40 + " v12", "x" * 19 + "… v12"), ("x" * 30, "x" * 23 + "…")],
)
def test_name_when_it_is_long_keeps_the_number_of_its_version(label: str, wanted: str) -> None:
    assert cut_name(label) == wanted
