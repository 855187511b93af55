"""Who gets what at every address outside the REST router. An address without a line fails `test_walk.py`.

One letter for each of administrator, operator, reviewer, auditor, client, and (pages) nobody:
y answered, n refused (403), l led to the log-in, a absent: led elsewhere or not found, whoever asks or for them.
Pages of a row are opened for a row that belongs to somebody else.
"""

from __future__ import annotations

from tests.api.permission_table import CALLERS, KNOWN

PAGES: dict[str, str] = {
    "accounts_apikey_add": "yyyyll",
    "accounts_apikey_change": "yaaall",
    "accounts_apikey_changelist": "yyyyll",
    "accounts_apikey_delete": "nnnnll",
    "accounts_apikey_do": "aaaall",
    "accounts_apikey_history": "aaaall",
    "accounts_session_add": "nnnnll",
    "accounts_session_change": "yaaall",
    "accounts_session_changelist": "yyyyll",
    "accounts_session_delete": "nnnnll",
    "accounts_session_do": "aaaall",
    "accounts_session_history": "aaaall",
    "accounts_user_add": "ynnnll",
    "accounts_user_change": "ynnyll",
    "accounts_user_changelist": "ynnyll",
    "accounts_user_delete": "nnnnll",
    "accounts_user_do": "aaaall",
    "accounts_user_history": "aaaall",
    "accounts_user_language": "aaaall",
    "accounts_user_me": "yyyyll",
    "accounts_user_roles": "ynnyll",
    "admin": "aaaaaa",
    "admin/accounts/apikey/<path:object_id>/": "aaaall",
    "admin/accounts/session/<path:object_id>/": "aaaall",
    "admin/accounts/user/<path:object_id>/": "aaaall",
    "admin/audit/auditevent/<path:object_id>/": "aaaall",
    "admin/inference/deployment/<path:object_id>/": "aaaall",
    "admin/inference/inferencerequest/<path:object_id>/": "aaaall",
    "admin/jobs/job/<path:object_id>/": "aaaall",
    "admin/registry/modelversion/<path:object_id>/": "aaaall",
    "admin/registry/registeredmodel/<path:object_id>/": "aaaall",
    "app_list": "aaaall",
    "audit_auditevent_add": "nnnnll",
    "audit_auditevent_change": "ynnyll",
    "audit_auditevent_changelist": "ynnyll",
    "audit_auditevent_delete": "nnnnll",
    "audit_auditevent_do": "aaaall",
    "audit_auditevent_history": "aaaall",
    "audit_auditevent_verify": "nnnnll",
    "autocomplete": "nnnnll",
    "docs": "yyyyyy",
    "home": "aaaaaa",
    "index": "yyyyll",
    "inference_deployment_add": "yynnll",
    "inference_deployment_change": "yyyyll",
    "inference_deployment_changelist": "yyyyll",
    "inference_deployment_delete": "nnnnll",
    "inference_deployment_do": "aaaall",
    "inference_deployment_history": "aaaall",
    "inference_deployment_live": "yyyyll",
    "inference_deployment_try": "yyynll",
    "inference_inferencerequest_add": "nnnnll",
    "inference_inferencerequest_change": "yyyyll",
    "inference_inferencerequest_changelist": "yyyyll",
    "inference_inferencerequest_delete": "nnnnll",
    "inference_inferencerequest_do": "aaaall",
    "inference_inferencerequest_history": "aaaall",
    "inference_inferencerequest_input": "aaaall",
    "jobs_job_add": "nnnnll",
    "jobs_job_change": "yyyyll",
    "jobs_job_changelist": "yyyyll",
    "jobs_job_delete": "nnnnll",
    "jobs_job_do": "aaaall",
    "jobs_job_history": "aaaall",
    "jobs_job_live": "yyyyll",
    "jsi18n": "yyyyll",
    "login": "aaaayy",
    "logout": "yyyyaa",
    "password_change": "aaaall",
    "password_change_done": "yyyyll",
    "redoc": "yyyyyy",
    "registry_modelversion_add": "nnnnll",
    "registry_modelversion_change": "yyyyll",
    "registry_modelversion_changelist": "yyyyll",
    "registry_modelversion_delete": "nnnnll",
    "registry_modelversion_do": "aaaall",
    "registry_modelversion_history": "aaaall",
    "registry_modelversion_live": "yyyyll",
    "registry_registeredmodel_add": "nnnnll",
    "registry_registeredmodel_change": "yyyyll",
    "registry_registeredmodel_changelist": "yyyyll",
    "registry_registeredmodel_delete": "nnnnll",
    "registry_registeredmodel_do": "aaaall",
    "registry_registeredmodel_history": "aaaall",
    "registry_registeredmodel_upload": "yynnll",
    "schema": "yyyyyy",
    "search": "yyyyll",
    "set_language": "aaaaaa",
    "view_on_site": "aaaall",
}

# Verbs of the admin: whether the role may do it at all, where the row is in a state that offers it.
VERBS: dict[str, str] = {
    "accounts.ApiKey.revoke": "yaaal",
    "accounts.Session.end": "yaaal",
    "accounts.User.activate": "ynnnl",
    "accounts.User.deactivate": "ynnnl",
    "accounts.User.password": "ynnnl",
    "inference.Deployment.delete": "yynnl",
    "inference.Deployment.deploy": "yynnl",
    "inference.Deployment.disable": "yynnl",
    "inference.Deployment.enable": "yynnl",
    "jobs.Job.cancel": "yynnl",
    "jobs.Job.retry": "yynnl",
    "registry.ModelVersion.alias": "yynnl",
    "registry.ModelVersion.archive": "yynnl",
    "registry.ModelVersion.recheck": "yynnl",
    "registry.ModelVersion.trust": "ynnnl",
    "registry.RegisteredModel.describe": "yynnl",
}

LEFT_OUT: dict[str, str] = {
    "admin/(?P<url>.*)$": "what is no page of the admin: 404, after the log-in",
    "^api/": "what is no address of the API: a JSON 404",
}

# The Open Inference Protocol: roles by token, and scopes of an administrator's key, that get through.
_EVERYBODY = KNOWN | {"nobody", "predict", "feedback", "read", "manage"}
_CALLERS = CALLERS | {"predict", "manage"}
GATEWAY: dict[str, frozenset[str]] = {
    "/v2": _EVERYBODY,
    "/v2/": _EVERYBODY,
    "/v2/health/live": _EVERYBODY,
    "/v2/health/ready": _EVERYBODY,
    "/v2/models/{name}": _CALLERS,
    "/v2/models/{name}/infer": _CALLERS,
    "/v2/models/{name}/ready": _CALLERS,
    "/v2/models/{name}/versions/{version}": _CALLERS,
    "/v2/models/{name}/versions/{version}/infer": _CALLERS,
    "/v2/models/{name}/versions/{version}/ready": _CALLERS,
}

# What the ASGI application tells apart before Django: the gateway, and two probes that ask for nothing.
ASGI = ("/v2", "/v2/", "/livez", "/readyz")
