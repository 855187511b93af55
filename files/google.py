"""The store on Google Cloud Storage: django-storages, told at once that Google does not answer.

The client's own retries go on for two minutes, each in a thread of web.
"""

from __future__ import annotations

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from storages.backends.gcloud import GoogleCloudStorage

from common.errors import Unavailable

CONNECT_S, ANSWER_S = 5, 60


class Impatient(HTTPAdapter):
    """Sends a request once. Raises Unavailable where no answer comes."""

    def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
        """Give the answer to a request."""
        try:
            return super().send(request, *args, **(options | {"timeout": (CONNECT_S, ANSWER_S)}))
        except (requests.ConnectionError, requests.Timeout) as error:
            text = "the file store does not answer"
            raise Unavailable(text, code="storage_unavailable", retry_after_s=5) from error


class GoogleStore(GoogleCloudStorage):
    """The store with such a client."""

    @property
    def client(self) -> Any:
        """Give the client, made once."""
        is_new = self._client is None
        client = super().client
        if is_new:
            client._http.mount("https://", Impatient())
            client._http.mount("http://", Impatient())
        return client
