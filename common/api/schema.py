"""What the OpenAPI schema says of every operation: its errors have one shape."""

from __future__ import annotations

from typing import Any

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "fields", "request_id"],
            "properties": {
                "code": {"type": "string", "description": "for programs"},
                "message": {"type": "string", "description": "for people"},
                "fields": {"type": "object", "additionalProperties": {"type": "string"}},
                "request_id": {"type": "string"},
            },
        }
    },
}
_RESPONSE = {
    "description": "An error, with the status that fits its code.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def describe_errors(result: dict[str, Any], **_generator: Any) -> dict[str, Any]:
    """Add the error answer to every operation (a hook of drf-spectacular, run after the schema is made)."""
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = ERROR
    for schema in result["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            if field.get("format") == "email":
                del field["format"]  # people without an address have an empty one
    for operations in result["paths"].values():
        for operation in operations.values():
            if isinstance(operation, dict):
                operation["responses"].setdefault("default", _RESPONSE)
    return result
