"""Who may call which address of /api/v1: one line for each method and route. A route without a line fails the tests."""

from __future__ import annotations

ROLES = ("administrator", "operator", "reviewer", "auditor", "client")

ANYBODY = frozenset({"nobody", *ROLES})
KNOWN = frozenset(ROLES)
STAFF = KNOWN - {"client"}
OPERATORS = frozenset({"administrator", "operator"})
CALLERS = KNOWN - {"auditor"}
WATCHERS = frozenset({"administrator", "auditor"})
FILE_READERS = OPERATORS | {"auditor"}
RULERS = frozenset({"administrator"})

TABLE: dict[str, frozenset[str]] = {
    "POST auth/token": ANYBODY,
    "POST auth/refresh": ANYBODY,
    "POST auth/logout": KNOWN,
    "GET me": KNOWN,
    "PATCH me": KNOWN,
    "POST me/password": KNOWN,
    "GET users": WATCHERS,
    "POST users": RULERS,
    "GET users/{username}": WATCHERS,
    "PATCH users/{username}": RULERS,
    "POST users/{username}/activate": RULERS,
    "POST users/{username}/deactivate": RULERS,
    "GET api-keys": KNOWN,
    "POST api-keys": KNOWN,
    "GET api-keys/{pk}": KNOWN,
    "POST api-keys/{pk}/revoke": KNOWN,
    "GET sessions": KNOWN,
    "GET sessions/{pk}": KNOWN,
    "POST sessions/{pk}/end": KNOWN,
    "POST sessions/end-all": KNOWN,
    "GET audit": WATCHERS,
    "GET audit/{pk}": WATCHERS,
    "GET audit/chain": WATCHERS,
    "POST audit/verify": WATCHERS,
    "POST audit/exports": WATCHERS,
    "GET audit/{pk}/export": WATCHERS,
    "GET files": FILE_READERS,
    "POST files": OPERATORS,
    "GET files/{pk}": FILE_READERS,
    "DELETE files/{pk}": OPERATORS,
    "PATCH files/{pk}": OPERATORS,
    "GET files/{pk}/content": FILE_READERS,
    "POST files/{pk}/restore": OPERATORS,
    "GET uploads": OPERATORS,
    "POST uploads": OPERATORS,
    "GET uploads/{pk}": OPERATORS,
    "PATCH uploads/{pk}": OPERATORS,
    "DELETE uploads/{pk}": OPERATORS,
    "POST uploads/{pk}/complete": OPERATORS,
    "GET uploads/{pk}/parts": OPERATORS,
    "POST uploads/{pk}/addresses": OPERATORS,
    "GET jobs": STAFF,
    "GET jobs/{pk}": STAFF,
    "POST jobs/{pk}/cancel": OPERATORS,
    "POST jobs/{pk}/retry": OPERATORS,
    "GET models": STAFF,
    "POST models": OPERATORS,
    "GET jobs/{pk}/log": STAFF,
    "GET schedules": STAFF,
    "POST schedules": OPERATORS,
    "GET schedules/{pk}": STAFF,
    "PATCH schedules/{pk}": OPERATORS,
    "DELETE schedules/{pk}": OPERATORS,
    "POST schedules/{pk}/run": OPERATORS,
    "POST schedules/{pk}/pause": OPERATORS,
    "POST schedules/{pk}/resume": OPERATORS,
    "GET models/{name}": STAFF,
    "PATCH models/{name}": OPERATORS,
    "GET models/{model}/versions": STAFF,
    "POST models/{model}/versions": OPERATORS,
    "GET models/{model}/versions/{number}": STAFF,
    "PATCH models/{model}/versions/{number}": OPERATORS,
    "POST models/{model}/versions/{number}/archive": OPERATORS,
    "POST models/{model}/versions/{number}/recheck": OPERATORS,
    "POST models/{model}/versions/{number}/trust": RULERS,
    "GET models/{model}/versions/{number}/tags": STAFF,
    "PUT models/{model}/versions/{number}/tags/{key}": OPERATORS,
    "DELETE models/{model}/versions/{number}/tags/{key}": OPERATORS,
    "GET models/{model}/aliases": STAFF,
    "GET models/{model}/aliases/{alias}": STAFF,
    "PUT models/{model}/aliases/{alias}": OPERATORS,
    "DELETE models/{model}/aliases/{alias}": OPERATORS,
    "GET models/{model}/tags": STAFF,
    "PUT models/{model}/tags/{key}": OPERATORS,
    "DELETE models/{model}/tags/{key}": OPERATORS,
    "GET deployments": KNOWN,
    "POST deployments": OPERATORS,
    "GET deployments/{name}": KNOWN,
    "DELETE deployments/{name}": OPERATORS,
    "POST deployments/{name}/disable": OPERATORS,
    "POST deployments/{name}/enable": OPERATORS,
    "POST deployments/{name}/predict": CALLERS,
    "GET requests": KNOWN,
    "GET requests/{pk}": KNOWN,
    "GET requests/{pk}/input": KNOWN,
    "GET requests/{pk}/predictions": KNOWN,
    "GET predictions/{pk}": KNOWN,
}

# What an administrator's key can still call when it has one scope only; other routes are refused.
OPEN_TO_ALL_KEYS = {"POST auth/token", "POST auth/refresh", "POST auth/logout", "GET me"}
SCOPES: dict[str, set[str]] = {
    "predict": {"POST deployments/{name}/predict", "GET deployments", "GET deployments/{name}"},
    "feedback": set(),
    "read": {line for line in TABLE if line.startswith("GET ")},
    "manage": set(TABLE),
}
