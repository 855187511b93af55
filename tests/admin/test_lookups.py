"""What the addresses of lists may ask for: what filters and links do, and nothing else."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse

from accounts.models import User
from tests.admin.making import log_in, make_rows
from tests.admin.test_pages import addresses, registered

NEVER = ("regex", "iregex", "startswith", "istartswith", "contains", "gt", "gte", "lt", "lte", "in", "range")
LINK = re.compile(r'href="(/admin/[a-z]+/[a-z]+/\?[^"#]*__[^"#]*)"')


@pytest.mark.django_db
def test_lists_when_a_field_is_asked_by_part_or_size_then_refused() -> None:
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_active=True)
    allowed = [
        (model._meta.label, f"{field.name}__{way}")
        for model, shown in admin.site._registry.items()
        for field in model._meta.concrete_fields
        for way in NEVER
        if shown.lookup_allowed(f"{field.name}__{way}", "x", request)
    ]
    assert allowed == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "query",
    [
        "password=x",
        "password__gte=p",
        "password__startswith=a",
        "username__regex=(a%2B)%2B$",
        "second_factor__secret__startswith=a",
        "api_keys__digest__gte=0",
        "live_keys__gte=0",
        "pk__in=1",
    ],
)
def test_people_when_the_address_asks_for_more_than_filters_do_then_refused(query: str) -> None:
    assert log_in("administrator").get(f"{reverse('admin:accounts_user_changelist')}?{query}").status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("accounts_user", "is_active__exact=1&groups__id__exact=1"),
        ("accounts_apikey", "user__id__exact=1&working=1"),
        ("accounts_session", "kind=browser&user__id__exact=1"),
        ("audit_auditevent", "target_type__exact=inference.deployment&target_id__exact=1"),
        ("audit_auditevent", "actor__exact=somebody"),
        ("datasets_dataset", "has_personal_data__exact=1"),
        ("datasets_preprocessingjob", "job__state__exact=queued"),
        ("feedback_goldenanswer", "item__queue__id__exact=1"),
        ("files_storedfile", "owner__id__exact=1&bin=1"),
        ("jobs_job", "state__exact=queued&kind=all"),
        ("registry_modelversion", "model__id__exact=1&state__exact=ready"),
    ],
)
def test_list_when_asked_as_filters_and_links_do_then_shown(page: str, query: str) -> None:
    assert log_in("administrator").get(f"{reverse(f'admin:{page}_changelist')}?{query}").status_code == 200


@pytest.mark.django_db
def test_links_when_pages_lead_to_part_of_a_list_then_it_opens() -> None:
    make_rows(2)
    client = log_in("administrator")
    found = {link for model in registered() for url in addresses(model).values() for link in _links(client, url)}
    assert len(found) > 20
    assert {link: status for link in found if (status := client.get(link).status_code) != 200} == {}


def _links(client: Client, url: str) -> set[str]:
    return {unescape(link) for link in LINK.findall(client.get(url).content.decode())}
