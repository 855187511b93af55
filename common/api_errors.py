"""Old place of `common.api.errors`."""

from common.api.errors import *  # noqa: F403
from common.api.errors import unknown_route  # noqa: F401
