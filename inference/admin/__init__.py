"""The back office of what is served: deployments, the try-it page, and the request log."""

from inference.admin import asynchronous, batches, deployments, evaluations, requests, servers, settings

__all__ = ["asynchronous", "batches", "deployments", "evaluations", "requests", "servers", "settings"]
