"""The tables of serving, by noun."""

from inference.models.asynchronous import AsynchronousPrediction, AsynchronousPredictionQuerySet
from inference.models.batches import BatchPart, BatchRun, BatchRunQuerySet
from inference.models.deployments import Deployment, Route, RunnerState
from inference.models.hosts import ModelHost, Replica
from inference.models.metrics import MetricWindow, VersionTotal
from inference.models.remote import RemoteModel, RemoteServer
from inference.models.requests import (
    InferenceRequest,
    InferenceRequestQuerySet,
    Limits,
    Prediction,
    PredictionQuerySet,
    limits_of,
    limits_of_caller,
    prediction_key,
)
from inference.models.settings import RunSettings, VersionSettings
from inference.models.traffic import Revision, RouteTally, ShadowResult, ShadowResultQuerySet

__all__ = [
    "AsynchronousPrediction",
    "AsynchronousPredictionQuerySet",
    "BatchPart",
    "BatchRun",
    "BatchRunQuerySet",
    "Deployment",
    "InferenceRequest",
    "InferenceRequestQuerySet",
    "Limits",
    "MetricWindow",
    "ModelHost",
    "Prediction",
    "PredictionQuerySet",
    "RemoteModel",
    "RemoteServer",
    "Replica",
    "Revision",
    "Route",
    "RouteTally",
    "RunSettings",
    "RunnerState",
    "ShadowResult",
    "ShadowResultQuerySet",
    "VersionSettings",
    "VersionTotal",
    "limits_of",
    "limits_of_caller",
    "prediction_key",
]
