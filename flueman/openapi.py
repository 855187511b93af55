"""The OpenAPI schema: its settings, and what Django does not serve: the Open Inference Protocol at `/v2`, probes."""

from __future__ import annotations

from typing import Any

from flueman import __version__

SETTINGS: dict[str, Any] = {
    "TITLE": "Flueman",
    "DESCRIPTION": "Serves models and keeps every request, prediction and judgement.",
    "VERSION": __version__,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "JobState": "jobs.models.Job.State",
        "RunnerStateName": "inference.models.RunnerState.State",
        "VersionFormat": "registry.models.ModelVersion.Format",
        "VersionState": "registry.models.ModelVersion.State",
        "Role": "accounts.roles.ROLE_NAMES",
        "Mover": "registry.services.alias_rules.MOVERS",
        "DatasetVersionState": "datasets.models.DatasetVersion.State",
        "PreprocessingKind": "datasets.models.PreprocessingJob.Kind",
        "DeliveryState": "notify.models.Delivery.State",
        "DeliveryKind": "notify.models.Delivery.Kind",
        "LoopStep": "feedback.improving.loop.STEPS",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "common.api.schema.describe_errors",
        "guards.api.describe_keys",
        "flueman.openapi.add_v2",
    ],
}
_TENSOR_DATATYPE = {"type": "string", "example": "FP32"}
_SHAPE = {"type": "array", "items": {"type": "integer"}}
_SPEC = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {"name": {"type": "string"}, "datatype": _TENSOR_DATATYPE, "shape": _SHAPE},
}
_TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        **_SPEC["properties"],  # type: ignore[dict-item]
        "data": {"type": "array", "items": {}, "description": "flat, row-major, or nested; none for raw bytes"},
        "parameters": {
            "type": "object",
            "properties": {"binary_data_size": {"type": "integer", "description": "bytes after the JSON"}},
        },
    },
}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
SCHEMAS: dict[str, Any] = {
    "V2Error": _ERROR,
    "V2Tensor": _TENSOR,
    "V2Metadata": {
        "type": "object",
        "required": ["name", "platform", "inputs", "outputs"],
        "properties": {
            "name": {"type": "string"},
            "versions": {"type": "array", "items": {"type": "string"}},
            "platform": {"type": "string"},
            "inputs": {"type": "array", "items": _SPEC},
            "outputs": {"type": "array", "items": _SPEC},
        },
    },
    "V2InferRequest": {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string", "maxLength": 128},
            "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/V2Tensor"}},
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string"},
                        "parameters": {
                            "type": "object",
                            "properties": {
                                "binary_data": {"type": "boolean", "description": "as bytes after the JSON"},
                                "classification": {"type": "integer", "description": "the best classes, so many"},
                            },
                        },
                    },
                },
            },
            "parameters": {"type": "object", "properties": {"binary_data_output": {"type": "boolean"}}},
        },
    },
    "V2InferResponse": {
        "type": "object",
        "required": ["model_name", "outputs"],
        "properties": {
            "id": {"type": "string"},
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "outputs": {"type": "array", "items": {"$ref": "#/components/schemas/V2Tensor"}},
        },
    },
}
SCHEMAS |= {
    "V2GenerateRequest": {
        "type": "object",
        "required": ["text_input"],
        "properties": {
            "id": {"type": "string", "maxLength": 128},
            "text_input": {"type": "string"},
            "parameters": {"type": "object"},
        },
    },
    "V2GenerateResponse": {
        "type": "object",
        "required": ["text_output", "model_name"],
        "properties": {
            "id": {"type": "string"},
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "text_output": {"type": "string"},
        },
    },
    "V2Switch": {"type": "object", "properties": {"parameters": {"type": "object"}}},
    "V2Index": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name", "state", "reason"],
            "properties": {name: {"type": "string"} for name in ("name", "version", "state", "reason")},
        },
    },
    "V2Statistics": {
        "type": "object",
        "required": ["model_stats"],
        "properties": {"model_stats": {"type": "array", "items": {"type": "object"}}},
    },
}
_FAILURES = {
    "400": "a body that does not fit the signature",
    "401": "no credential, or one that is not good",
    "403": "not allowed",
    "404": "no such model or version",
    "408": "a body that does not come",
    "409": "a call with this Idempotency-Key is under way",
    "413": "a body that is too large",
    "422": "an Idempotency-Key that was used with another body",
    "429": "more calls than the key may make",
    "503": "not ready, or the queue is full",
    "504": "no answer in time",
}
_RUNS = (
    ("infer", "Run it on the inputs.", "V2InferRequest", "V2InferResponse"),
    ("generate", "Text in, text out.", "V2GenerateRequest", "V2GenerateResponse"),
)


def add_v2(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """Give the schema with the paths of `/v2` and the probes."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(SCHEMAS)
    paths = result["paths"]
    paths["/livez"] = {"get": _plain("livez", "This process runs.")}
    paths["/readyz"] = {"get": _plain("readyz", "It may be sent requests.", busy=True)}
    paths["/v2"] = {"get": _plain("v2_server", "Name, version and extensions of the server.")}
    paths["/v2/health/live"] = {"get": _plain("v2_live", "This process runs.")}
    paths["/v2/health/ready"] = {"get": _plain("v2_ready", "It may be sent requests.", busy=True)}
    paths["/v2/models/stats"] = {"get": _operation("v2_stats_all", "What was served so far.", [], "V2Statistics")}
    paths["/v2/repository/index"] = {
        "post": {
            **_operation("v2_index", "Deployments and their versions.", [], "V2Index"),
            "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}},
        }
    }
    for verb, words in (("load", "Put it in service and wait until it has loaded."), ("unload", "Out of service.")):
        paths[f"/v2/repository/models/{{name}}/{verb}"] = {
            "post": {
                **_operation(f"v2_{verb}", words, ["name"], None),
                "requestBody": {"content": _json("V2Switch")},
            }
        }
    for suffix, parameters in (("", ["name"]), ("/versions/{version}", ["name", "version"])):
        base, mark = f"/v2/models/{{name}}{suffix}", "_version" if suffix else ""
        paths[base] = {"get": _operation(f"v2_metadata{mark}", "Signature of a deployment.", parameters, "V2Metadata")}
        paths[f"{base}/ready"] = {
            "get": _operation(f"v2_model_ready{mark}", "Whether it can serve now.", parameters, None)
        }
        paths[f"{base}/config"] = {
            "get": _operation(f"v2_config{mark}", "Its configuration in Triton's words.", parameters, None)
        }
        paths[f"{base}/stats"] = {
            "get": _operation(f"v2_stats{mark}", "What it served so far.", parameters, "V2Statistics")
        }
        for verb, words, taken, given in _RUNS:
            paths[f"{base}/{verb}"] = {
                "post": {
                    **_operation(f"v2_{verb}{mark}", words, parameters, given),
                    "requestBody": {"required": True, "content": _json(taken)},
                }
            }
    return result


def _operation(name: str, summary: str, parameters: list[str], answer: str | None) -> dict[str, Any]:
    failures = {status: {"description": words, "content": _json("V2Error")} for status, words in _FAILURES.items()}
    good = {"description": "", "content": _json(answer) if answer else {"application/json": {"schema": {}}}}
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["Open Inference Protocol v2"],
        "security": [{"apiKey": []}, {"bearer": []}],
        "parameters": [
            {"name": each, "in": "path", "required": True, "schema": {"type": "string"}} for each in parameters
        ],
        "responses": {"200": good, **failures},
    }


def _plain(name: str, summary: str, *, busy: bool = False) -> dict[str, Any]:
    answer = {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}}
    responses = {"200": answer, **({"503": {**answer, "description": "not ready"}} if busy else {})}
    return {"operationId": name, "summary": summary, "tags": ["probes"], "security": [{}], "responses": responses}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
