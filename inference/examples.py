"""A first call of a deployment to copy, for the pages of keys, which stand below and cannot ask."""

from __future__ import annotations

from inference.bodies.samples import code_samples
from inference.bodies.typed import read_typed, sample
from inference.models import Deployment
from inference.services import live_version


def example_call(name: str, url: str) -> str:
    """Give a call for a shell with sample inputs, key in `$FLUEMAN_KEY`; empty where nothing is served."""
    deployment = Deployment.objects.filter(name=name).first()
    version = live_version(deployment) if deployment else None
    if version is None:
        return ""
    specs = version.parsed_signature().inputs
    inputs = {spec.name: read_typed(spec, sample(spec)) for spec in specs}
    return code_samples(url=url, deployment=name, inputs=inputs, specs=specs)[0][1]
