"""The back office of what is served: deployments, the try-it page, and the request log."""

from inference.admin import requests

__all__ = ["requests"]
