import pytest
from django.urls import reverse

from jobs.models import Job
from registry.models import ModelVersion, RegisteredModel
from registry.services import delete_model, delete_version, set_alias, set_tag
from tests.accounts.making import make_client, make_user, post
from tests.registry.make import make_ready, make_version
from tests.registry.pages import log_in, page_of, verb_of

pytestmark = pytest.mark.django_db
DELETED = reverse("admin:registry_registeredmodel_deleted")


def test_rest_when_a_version_is_deleted_then_found_only_among_deleted_and_restored(tmp_path):
    client = make_client(make_user("operator"))
    version = make_ready(make_version(tmp_path))
    set_tag(target=version, key="a", value="b", actor=None)
    path = "/api/v1/models/numbers/versions"
    assert client.delete(f"{path}/1?reason=old").status_code == 204
    assert client.get(path).json()["results"] == []
    for gone in (f"{path}/1", f"{path}/1/tags", f"{path}/1/settings"):
        assert client.get(gone).status_code == 404, gone
    assert client.delete(f"{path}/1").status_code == 404
    listed = client.get("/api/v1/deleted-versions").json()["results"]
    assert [(one["model"], one["version"], one["state_before"]) for one in listed] == [("numbers", 1, "ready")]
    assert listed[0]["purged_at"] > listed[0]["deleted_at"]
    assert post(client, f"deleted-versions/{version.pk}/purge", {"typed": "numbers v1"}).status_code == 403
    assert post(client, f"deleted-versions/{version.pk}/restore").json()["state"] == "ready"
    assert client.get(f"{path}/1").json()["tags"] == {"a": "b"}


def test_rest_when_a_model_is_deleted_then_its_name_is_free_and_the_old_one_comes_back_under_another(tmp_path):
    client = make_client(make_user("operator"))
    model = make_version(tmp_path).model
    assert client.delete("/api/v1/models/numbers").status_code == 204
    for gone in ("models/numbers", f"models/numbers~{model.pk}", f"models/numbers~{model.pk}/versions"):
        answer = client.get(f"/api/v1/{gone}")
        assert answer.status_code == 404 or answer.json()["results"] == [], gone
    assert post(client, "models", {"name": "numbers"}).status_code == 201
    assert client.get("/api/v1/deleted-models").json()["results"][0]["name"] == "numbers"
    refused = post(client, f"deleted-models/{model.pk}/restore")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "name_taken")
    back = post(client, f"deleted-models/{model.pk}/restore", {"name": "numbers-2"})
    assert back.json()["name"] == "numbers-2"
    assert client.get("/api/v1/models/numbers-2/versions/1").status_code == 200


def test_rest_when_purged_then_the_name_is_demanded_and_a_job_does_it(tmp_path):
    client = make_client(make_user("administrator"))
    model = make_version(tmp_path).model
    delete_model(model=model, actor=None)
    refused = post(client, f"deleted-models/{model.pk}/purge", {"typed": "number"})
    assert (refused.status_code, "typed" in refused.json()["error"]["fields"]) == (400, True)
    asked = post(client, f"deleted-models/{model.pk}/purge", {"typed": "numbers", "reason": "old"})
    assert asked.status_code == 202
    assert asked["Location"].endswith(asked.json()["job"])
    assert Job.objects.get(kind="registry.purge_model").target_label == "numbers"
    version = make_version(tmp_path, "others")
    delete_version(version=version, actor=None)
    gone = post(client, f"deleted-versions/{version.pk}/purge", {"typed": "others v1"})
    assert gone.json()["versions"] == 1
    assert not ModelVersion.objects.filter(pk=version.pk).exists()


def test_pages_when_deleted_then_listed_in_the_bin_only_and_restored_from_there(tmp_path):
    client = log_in("administrator")
    version = make_ready(make_version(tmp_path, "의도"))
    other = make_version(tmp_path, "의도", 0.1)
    set_alias(model=version.model, name="champion", version=version, actor=None)
    page = client.get(verb_of(version, "delete")).content.decode()
    assert "champion" in page
    assert client.post(verb_of(version, "delete"), {"reason": "실수"}).status_code == 302
    told = client.get(DELETED).content.decode()
    assert "의도 v1" in told
    assert "실수" in told
    assert "의도 v1" not in client.get(reverse("admin:registry_modelversion_changelist")).content.decode()
    assert "is deleted; until" in client.get(page_of(version)).content.decode()
    assert f'value="{version.number}"' not in client.get(page_of(version.model)).content.decode()
    assert client.post(verb_of(version, "recheck"), {"reason": "x"}).status_code == 403
    assert client.post(verb_of(version, "restore"), {"reason": "back"}).status_code == 302
    assert ModelVersion.objects.ready().get() == version
    assert other.state == "pending"


def test_pages_when_a_model_is_purged_then_its_name_is_typed(tmp_path):
    client = log_in("administrator")
    model = make_version(tmp_path).model
    assert client.post(verb_of(model, "delete"), {"reason": "old"}).status_code == 302
    listing = reverse("admin:registry_registeredmodel_changelist")
    client.get(listing)  # it says once what was done
    assert "numbers" not in client.get(listing).content.decode()
    assert client.get(page_of(model)).status_code == 200
    page = client.get(verb_of(model, "purge")).content.decode()
    assert "cannot be undone" in page
    assert client.post(verb_of(model, "purge"), {"reason": "old", "typed_name": "numbe"}).status_code == 200
    assert not Job.objects.filter(kind="registry.purge_model").exists()
    assert client.post(verb_of(model, "purge"), {"reason": "old", "typed_name": "numbers"}).status_code == 302
    assert Job.objects.filter(kind="registry.purge_model").exists()


def test_pages_when_an_operator_then_may_restore_and_not_purge(tmp_path):
    client = log_in("operator")
    model = make_version(tmp_path).model
    delete_model(model=model, actor=None)
    told = client.get(DELETED).content.decode()
    assert verb_of(model, "restore") in told
    assert verb_of(model, "purge") not in told
    assert client.post(verb_of(model, "purge"), {"reason": "x", "typed_name": "numbers"}).status_code == 403
    assert client.post(verb_of(model, "restore"), {"reason": "x", "name": "back"}).status_code == 302
    assert RegisteredModel.objects.present().get().name == "back"


def test_deleted_when_more_lie_there_then_few_more_queries(tmp_path, django_assert_max_num_queries):
    client = log_in("administrator")
    for n in range(6):
        delete_version(version=make_version(tmp_path, f"m{n}"), actor=None)
    client.get(DELETED)
    with django_assert_max_num_queries(25):
        client.get(DELETED)
