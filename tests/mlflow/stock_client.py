"""Every call of the registry's protocol, made by MLflow's own client. Run in a process of its own: URL, receiver's URL.

MLflow's settings are of a process, and its threads outlive a test.
"""

from __future__ import annotations

import json
import re
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow import MlflowClient
from mlflow.entities.webhook import WebhookStatus
from mlflow.exceptions import MlflowException

LATE_S = 3
warnings.simplefilter("ignore", FutureWarning)  # stages are of older clients
client = MlflowClient()


@contextmanager
def refused(code: str, told: str) -> Iterator[None]:
    """Let what is within be refused, at once: what a client tries again takes seconds."""
    begun = time.monotonic()
    try:
        yield
    except MlflowException as error:
        if error.error_code == code and re.search(told, str(error)) and time.monotonic() - begun < LATE_S:
            return
        raise
    raise AssertionError(f"not refused: {code} {told}")


def models() -> None:
    """Create, read, rename, describe, tag, delete."""
    begun = int(time.time() * 1000)
    made = client.create_registered_model("intent", {"team": "care", "empty": ""}, "무엇을 원하나")
    assert begun <= made.creation_timestamp <= made.last_updated_timestamp <= int(time.time() * 1000)
    assert (made.tags, made.description, made.latest_versions) == ({"team": "care", "empty": ""}, "무엇을 원하나", [])
    with refused("RESOURCE_ALREADY_EXISTS", r"Registered Model \(name=intent\) already exists\."):
        client.create_registered_model("intent")
    with refused("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nothing not found"):
        client.get_registered_model("nothing")
    with refused("INVALID_PARAMETER_VALUE", "name: must begin and end with"):
        client.create_registered_model("a/b")
    client.set_registered_model_tag("intent", "stage", "prod")
    client.delete_registered_model_tag("intent", "empty")
    assert client.update_registered_model("intent", "better").description == "better"
    client.rename_registered_model("intent", "intents")
    client.rename_registered_model("intents", "intent")
    assert client.get_registered_model("intent").tags == {"team": "care", "stage": "prod"}
    client.create_registered_model("gone")
    client.delete_registered_model("gone")
    with refused("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=gone not found"):
        client.delete_registered_model("gone")


def versions() -> None:
    """Create, read, describe, tag, copy, delete; numbers are not given again."""
    made = [client.create_model_version("intent", f"s3://bucket/{n}", run_id=f"run_{n}", tags={"n": str(n)},
                                        run_link="http://runs/1", description="d") for n in range(1, 4)]  # fmt: skip
    assert [(one.version, one.status, one.current_stage) for one in made] == [
        (number, "READY", "None") for number in ("1", "2", "3")
    ] or [str(one.version) for one in made] == ["1", "2", "3"]
    one = client.get_model_version("intent", "1")
    assert (one.source, one.run_id, one.tags, one.run_link) == ("s3://bucket/1", "run_1", {"n": "1"}, "http://runs/1")
    assert client.update_model_version("intent", "1", "better").description == "better"
    client.set_model_version_tag("intent", "1", "k", "")
    assert client.get_model_version("intent", "1").tags == {"n": "1", "k": ""}
    client.delete_model_version_tag("intent", "1", "k")
    client.delete_model_version("intent", "3")
    assert str(client.create_model_version("intent", "s3://bucket/4").version) == "4"
    with refused("RESOURCE_DOES_NOT_EXIST", r"Model Version \(name=intent, version=3\) not found"):
        client.get_model_version("intent", "3")
    with refused("INVALID_PARAMETER_VALUE", "Parameter 'version' must be an integer, got 'abc'"):
        client.get_model_version("intent", "abc")
    with refused("INVALID_PARAMETER_VALUE", "Invalid model version source"):
        client.create_model_version("intent", "file:///etc/passwd")
    copy = client.copy_model_version("models:/intent/1", "copies")
    assert copy.source == "models:/intent/1"
    again = client.copy_model_version("models:/copies/1", "more")
    assert client.get_model_version_download_uri("more", str(again.version)) == "s3://bucket/1"
    registered = mlflow.register_model("s3://bucket/9", "fresh", tags={"t": "1"})
    assert (str(registered.version), registered.status, registered.tags) == ("1", "READY", {"t": "1"})
    assert str(mlflow.register_model("s3://bucket/9", "fresh").version) == "2"


def aliases_and_stages() -> None:
    """Aliases, and the stages of older clients."""
    client.set_registered_model_alias("intent", "champion", "2")
    client.set_registered_model_alias("intent", "champion", "1")
    assert str(client.get_model_version_by_alias("intent", "champion").version) == "1"
    assert client.get_registered_model("intent").aliases in ({"champion": "1"}, {"champion": 1})
    client.delete_registered_model_alias("intent", "champion")
    with refused("INVALID_PARAMETER_VALUE", "Registered model alias champion not found"):
        client.get_model_version_by_alias("intent", "champion")
    with refused("INVALID_PARAMETER_VALUE", "latest"):
        client.set_registered_model_alias("intent", "latest", "1")
    client.transition_model_version_stage("intent", "1", "Production")
    client.transition_model_version_stage("intent", "2", "Production", archive_existing_versions=True)
    latest = {one.current_stage: str(one.version) for one in client.get_latest_versions("intent")}
    assert latest == {"None": "4", "Production": "2", "Archived": "1"}
    assert [str(one.version) for one in client.get_latest_versions("intent", ["Production"])] == ["2"]
    with refused("INVALID_PARAMETER_VALUE", "Invalid Model Version stage"):
        client.transition_model_version_stage("intent", "1", "Live")


def searches() -> None:
    """Each operator, orders, pages."""

    def of_models(text: str, **more: object) -> list[str]:
        return [one.name for one in client.search_registered_models(text, **more)]

    assert of_models("name = 'intent'") == ["intent"]
    assert of_models("name != 'intent'") == ["copies", "fresh", "more"]
    assert of_models("name LIKE 'f%'") == of_models("name ILIKE 'F%'") == ["fresh"]
    assert of_models("name LIKE 'F%'") == []
    assert of_models("tags.stage = 'prod'") == of_models("tags.`stage` LIKE 'pr%'") == ["intent"]
    assert (of_models("tags.stage != 'prod'"), of_models("tags.stage != 'dev'")) == ([], ["intent"])
    assert of_models("tags.stage ILIKE 'PR%'", order_by=["last_updated_timestamp DESC"]) == ["intent"]
    whole, token = [], None
    while token != "":
        page = client.search_registered_models(max_results=1, order_by=["name DESC"], page_token=token)
        whole += [one.name for one in page]
        token = page.token or ""
    assert whole == ["more", "intent", "fresh", "copies"]

    def of_versions(text: str, **more: object) -> list[str]:
        found = client.search_model_versions(text, **{"order_by": ["name", "version_number"], **more})
        return [f"{one.name}{one.version}" for one in found]

    assert of_versions("name = 'intent'") == ["intent1", "intent2", "intent4"]
    assert of_versions("name = 'intent'", order_by=["version_number DESC"]) == ["intent4", "intent2", "intent1"]
    assert of_versions("name='intent' AND version_number > 1") == ["intent2", "intent4"]
    assert of_versions("name='intent' AND version_number <= 2 AND version_number >= 2") == ["intent2"]
    assert of_versions("name='intent' AND version_number < 2") == ["intent1"]
    assert of_versions("run_id = 'run_1'") == ["copies1", "intent1", "more1"]  # a copy is of the same run
    assert of_versions("run_id IN ('run_1', 'run_2') AND name = 'intent'") == ["intent1", "intent2"]
    assert of_versions("source_path = 's3://bucket/2'") == of_versions("tags.n = '2'") == ["intent2"]
    assert of_versions("source_path LIKE 's3://bucket/%' AND name != 'intent'") == ["fresh1", "fresh2"]
    assert of_versions("name ILIKE 'INT%' AND tags.n LIKE '_'") == ["intent1", "intent2"]
    for bad in ("name < 'a'", "foo = 'a'", "name = 'a' OR name = 'b'", "name = a", "version_number = 'x'"):
        with refused("INVALID_PARAMETER_VALUE", "."):
            client.search_model_versions(bad)
    with refused("INVALID_PARAMETER_VALUE", "It must be at most 1000, but got value 1001"):
        client.search_registered_models(max_results=1001)
    with refused("INVALID_PARAMETER_VALUE", "[Ii]nvalid page token"):
        client.search_registered_models(page_token="x")


def webhooks(receiver: str) -> None:
    """Make, read, change, try, remove."""
    made = client.create_webhook("hook", receiver, ["registered_model.created", "model_version_alias.created"],
                                 description="d", secret="s3cret")  # fmt: skip
    assert ([str(one) for one in made.events], made.url, str(made.status)) == (
        ["model_version_alias.created", "registered_model.created"], receiver, "ACTIVE",
    )  # fmt: skip
    assert [one.webhook_id for one in client.list_webhooks()] == [made.webhook_id]
    changed = client.update_webhook(made.webhook_id, name="other", status=WebhookStatus.DISABLED)
    assert (changed.name, str(changed.status)) == ("other", "DISABLED")
    client.update_webhook(made.webhook_id, status="ACTIVE")
    assert client.get_webhook(made.webhook_id).description == "d"
    result = client.test_webhook(made.webhook_id)
    assert (result.success, result.response_status) == (True, 204)
    client.create_registered_model("heard", {"a": "b"})
    with refused("INVALID_PARAMETER_VALUE", "There are no prompts"):
        client.create_webhook("prompts", receiver, ["prompt.created"])
    spare = client.create_webhook("spare", receiver, ["model_version.created"])
    client.delete_webhook(spare.webhook_id)
    with refused("RESOURCE_DOES_NOT_EXIST", "not found"):
        client.get_webhook(spare.webhook_id)


def not_served() -> None:
    """What the server has not is said at once."""
    with refused("ENDPOINT_NOT_FOUND", "Nothing is served"):
        client.create_experiment("x")


if __name__ == "__main__":
    took = {}
    for step in (models, versions, aliases_and_stages, searches, webhooks, not_served):
        started = time.monotonic()
        step(*sys.argv[1:] if step is webhooks else ())
        took[step.__name__] = round(time.monotonic() - started, 2)
    sys.stdout.write(json.dumps(took))
