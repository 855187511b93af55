"""Adds to the OpenAPI schema what Django does not serve: the Open Inference Protocol under `/v2` and the probes."""

from __future__ import annotations

from typing import Any

_TENSOR_DATATYPE = {"type": "string", "example": "FP32"}
_SHAPE = {"type": "array", "items": {"type": "integer"}}
_SPEC = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {"name": {"type": "string"}, "datatype": _TENSOR_DATATYPE, "shape": _SHAPE},
}
_TENSOR = {
    "type": "object",
    "required": ["name", "datatype", "shape", "data"],
    "properties": {
        **_SPEC["properties"],  # type: ignore[dict-item]
        "data": {"type": "array", "items": {}, "description": "flat, row-major, or nested"},
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
                "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            },
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
_FAILURES = {
    "400": "a body that does not fit the signature",
    "401": "no credential, or one that is not good",
    "403": "not allowed",
    "404": "no such model or version",
    "413": "a body that is too large",
    "503": "not ready, or the queue is full",
    "504": "no answer in time",
}


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
    for suffix, parameters in (("", ["name"]), ("/versions/{version}", ["name", "version"])):
        base, mark = f"/v2/models/{{name}}{suffix}", "_version" if suffix else ""
        paths[base] = {"get": _operation(f"v2_metadata{mark}", "Signature of a deployment.", parameters, "V2Metadata")}
        paths[f"{base}/ready"] = {
            "get": _operation(f"v2_model_ready{mark}", "Whether it can serve now.", parameters, None)
        }
        paths[f"{base}/infer"] = {
            "post": {
                **_operation(f"v2_infer{mark}", "Run it on the inputs.", parameters, "V2InferResponse"),
                "requestBody": {"required": True, "content": _json("V2InferRequest")},
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
