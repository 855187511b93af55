"""What the commands of aliases and approvals share: which model, version and request."""

from __future__ import annotations

from common.errors import NotFound
from common.names import composed
from registry.models import ApprovalRequest, ModelVersion, RegisteredModel

WISH = "VERSION is MODEL:NUMBER, such as intent:7"


def find_model(name: str) -> RegisteredModel:
    """Give a model by name. Raises NotFound."""
    model = RegisteredModel.objects.filter(name=composed(name)).first()
    if model is None:
        raise NotFound(f"there is no model '{name}'")
    return model


def find_version(text: str) -> ModelVersion:
    """Give a version by MODEL:NUMBER. Raises NotFound."""
    name, _colon, number = text.rpartition(":")
    found = ModelVersion.objects.present().select_related("model")
    version = found.filter(model__name=composed(name), number=int(number)).first() if number.isdecimal() else None
    if version is None:
        raise NotFound(f"there is no version {text}: {WISH}")
    return version


def find_request(key: str) -> ApprovalRequest:
    """Give a request by the first characters of its id. Raises NotFound unless they fit just one."""
    plain = key.replace("-", "").lower()
    fits = [one for one in ApprovalRequest.objects.order_by("-id")[:1000] if one.pk.hex.startswith(plain)]
    if not plain or len(fits) != 1:
        raise NotFound(f"{len(fits)} requests begin with '{key}'")
    return fits[0]
