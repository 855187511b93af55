"""REST views of people, keys and sessions."""

from accounts.api.auth import AuthViewSet
from accounts.api.keys import ApiKeyViewSet
from accounts.api.people import MeViewSet, UserViewSet
from accounts.api.schema import CredentialScheme
from accounts.api.sessions import SessionViewSet

__all__ = ["ApiKeyViewSet", "AuthViewSet", "CredentialScheme", "MeViewSet", "SessionViewSet", "UserViewSet"]
