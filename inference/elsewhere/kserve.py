"""A version as an `InferenceService` of KServe. Pure: no ORM, no request.

Source: kserve/kserve, config/crd/full/serving.kserve.io_inferenceservices.yaml (v1beta1). The container is
`inference.standalone`, which serves one version by the Open Inference Protocol v2.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from shlex import quote
from typing import Any

import yaml

PORT = 8080
OVERHEAD_BYTES = 384 << 20  # of the server around the model
MIB = 1 << 20
MOUNTED = "/mnt/models"  # where KServe puts what STORAGE_URI leads to
LONGEST_NAME = 50  # KServe adds words of its own, and a label holds 63
_PLAIN = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to run: `share` is the percent of a canary, `None` where all calls are meant."""

    deployment: str
    model: str
    version: int
    digest: str
    image: str
    memory_bytes: int
    is_trusted: bool = False
    max_batch: int = 128
    threads: int = 1
    most_bytes: int = 6 << 30  # of memory that the process of the model may have
    share: int | None = None
    storage_uri: str = ""


def service_name(deployment: str) -> str:
    """Give the name of a deployment as Kubernetes takes it (RFC 1035 label)."""
    plain = re.sub(r"[^a-z0-9]+", "-", deployment.lower()).strip("-")
    if plain == deployment and _PLAIN.fullmatch(plain) and len(plain) <= LONGEST_NAME:
        return plain
    told = hashlib.sha256(deployment.encode()).hexdigest()[:8]  # another deployment must not have the same name
    stem = plain[: LONGEST_NAME - 15].strip("-")
    return f"{stem}-{told}" if _PLAIN.fullmatch(stem) else f"model-{told}"


def inference_service(wanted: Wanted) -> dict[str, Any]:
    """Give the manifest as plain data."""
    name = service_name(wanted.deployment)
    predictor: dict[str, Any] = {"minReplicas": 1, "containers": [_container(wanted, name)]}
    predictor["automountServiceAccountToken"] = False
    if wanted.share is not None:
        predictor["canaryTrafficPercent"] = wanted.share
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": "flueman"},
            "annotations": {
                "flueman/deployment": wanted.deployment,
                "flueman/version": f"{wanted.model} v{wanted.version}",
                "flueman/digest": wanted.digest,
            },
        },
        "spec": {"predictor": predictor},
    }


def to_yaml(wanted: Wanted) -> str:
    """Give the manifest as YAML, headed by what has to be there first."""
    lines = ["# Written by Flueman. Before it is applied, once for the service and all its versions:"]
    lines.append(f"#   kubectl create secret generic {token_name(wanted)} --from-literal=token=TOKEN")
    lines.append("# TOKEN is what callers send as a Bearer token: any long random text.")
    lines += [] if wanted.storage_uri else _source_hint(wanted)
    if wanted.share is not None:
        lines.append("# A canary: the service must be there already with the version that serves now.")
    body = yaml.safe_dump(inference_service(wanted), sort_keys=False, allow_unicode=True, width=120)
    return "\n".join([*lines, body])


def token_name(wanted: Wanted) -> str:
    """Give the name of the Kubernetes secret with the token: one, for a caller does not know which version answers."""
    return f"{service_name(wanted.deployment)}-token"


def source_name(wanted: Wanted) -> str:
    """Give the name of the Kubernetes secret with the address of the version's files."""
    return f"{service_name(wanted.deployment)}-v{wanted.version}"


def _source_hint(wanted: Wanted) -> list[str]:
    sign = f"manage.py sign_version {quote(wanted.model)} {wanted.version}"
    return [
        "# And once for this version:",
        f"#   kubectl create secret generic {source_name(wanted)} --from-literal=source=ADDRESS",
        f"# ADDRESS is what `{sign}` prints, for as long as pods may start.",
    ]


def _container(wanted: Wanted, name: str) -> dict[str, Any]:
    memory = wanted.memory_bytes + OVERHEAD_BYTES
    arguments = [
        f"--name={wanted.deployment}",  # in one word: a name may begin with a dash
        f"--version={wanted.version}",
        "--host=0.0.0.0",
        f"--port={PORT}",
        f"--max-batch={wanted.max_batch}",
        f"--threads={wanted.threads}",
        f"--memory-bytes={wanted.most_bytes}",
    ]
    arguments += ["--trusted"] if wanted.is_trusted else []
    environment = [_secret("FLUEMAN_TOKEN", token_name(wanted), "token")]
    if wanted.storage_uri:
        arguments += [f"--folder={MOUNTED}"]
        environment.append({"name": "STORAGE_URI", "value": wanted.storage_uri})
    else:
        environment.append(_secret("FLUEMAN_SOURCE", source_name(wanted), "source"))
    return {
        "name": "kserve-container",
        "image": wanted.image,
        "command": ["python", "-m", "inference.standalone"],
        "args": arguments,
        "env": environment,
        "ports": [{"name": "http1", "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": _probe("/v2/health/ready", failures=120),
        "readinessProbe": _probe("/v2/health/ready", failures=3),
        "livenessProbe": _probe("/v2/health/live", failures=6),
        "resources": {
            "requests": {"cpu": str(wanted.threads), "memory": f"{_mib(memory)}Mi"},
            "limits": {"memory": f"{_mib(2 * memory)}Mi"},
        },
        "securityContext": {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 10001},
    }


def _secret(variable: str, secret: str, key: str) -> dict[str, Any]:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _probe(path: str, *, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": PORT},
        "periodSeconds": 5,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }


def _mib(value: int) -> int:
    return -(-value // MIB)
