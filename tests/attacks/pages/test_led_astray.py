"""What leads people elsewhere: an address to go on to after the log-in, a name in code that they copy."""

from __future__ import annotations

import ast
import html
import re
import shlex

import polars as pl
import pytest
from django.test import Client
from django.urls import reverse

from datasets.services import dataset_named
from inference.bodies.samples import code_samples
from registry.signature import TensorSpec
from tests.accounts.making import PASSWORD, make_user
from tests.admin.making import log_in
from tests.attacks.table import record
from tests.datasets.making import make_version

SECTION = "Pages"
ELSEWHERE = (
    "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "///evil.example",
    "http:evil.example", "javascript:alert(1)", "/\t/evil.example", " //evil.example",
)  # fmt: skip
NAMES = ('x", __import__("os").system("id"), "', "x\\", "{tensors}", "'; id; '", "$(id)", "`id`")


@pytest.mark.django_db
def test_log_in_when_it_is_to_lead_elsewhere_then_it_leads_home() -> None:
    person = make_user("operator", password=PASSWORD)
    said = {"username": person.username, "password": PASSWORD}
    for address in ELSEWHERE:
        answer = Client().post(reverse("admin:login"), said | {"next": address}, query_params={"next": address})
        assert (answer.status_code, answer.headers["Location"]) == (302, reverse("admin:index")), address
        record(SECTION, f"a log-in that is to lead to {address}", "led home", "refused")


@pytest.mark.parametrize("name", NAMES)
def test_code_to_copy_when_the_name_is_code_then_it_is_a_text(name: str) -> None:
    spec = TensorSpec("text", "BYTES", (-1,))
    samples = dict(code_samples(url="http://host", deployment=name, inputs={"text": [name]}, specs=[spec]))
    calls = [node for node in ast.walk(ast.parse(samples["Triton"])) if isinstance(node, ast.Call)]
    asked = next(one for one in calls if ast.unparse(one.func) == "client.infer")
    assert ast.literal_eval(asked.args[0]) == name
    assert "system" not in {node.func.attr for node in calls if isinstance(node.func, ast.Attribute)}
    assert name not in samples["curl"].partition(" \\\n")[0]
    record(SECTION, f"a deployment named {name} in code to copy", "a text", "harmless")


@pytest.mark.django_db
def test_command_to_copy_when_the_dataset_is_named_like_one_then_it_is_a_text() -> None:
    client, name, other = log_in("administrator"), "x; $(id) `id` 'a'", "y; $(id) `id` 'a'"
    version, empty = make_version(pl.DataFrame({"a": [1]}), name), dataset_named(name=other, actor=None)
    shown = {
        "export_dataset": (reverse("admin:datasets_datasetversion_export", args=[version.pk]), f"{name}:1"),
        "import_dataset FILE --name": (reverse("admin:datasets_dataset_change", args=[empty.pk]), other),
    }
    for command, (url, said) in shown.items():
        page = client.get(url).content.decode().replace("<button", "\n<button")
        text = html.unescape(re.sub(r"<[^>]*>", "", page))
        line = next(one for one in text.splitlines() if f"{command} " in one)
        assert shlex.split(line.partition(f"{command} ")[2])[0] == said, line
    record(SECTION, f"a dataset named {name} in commands to copy", "a text", "harmless")
