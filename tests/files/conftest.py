"""Installations that the tests of files talk to over sockets."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from files.storage import incoming_folder
from tests.files.s3_server import KEYS, S3Server, juicefs_problem
from tests.files.tus import Caller
from tests.site import Site


@pytest.fixture(autouse=True)
def _nothing_on_its_way() -> None:
    """Remove what processes that other tests killed were storing."""
    shutil.rmtree(incoming_folder())


class Served:
    """An installation, somebody who may upload, and the S3 server under it if it has one."""

    def __init__(self, *, on_s3: bool) -> None:
        self.site = Site(Path(tempfile.mkdtemp(prefix="flm-")))
        self.s3: S3Server | None = None
        if on_s3:
            assert not juicefs_problem(), juicefs_problem()
            (self.site.folder / "s3").mkdir()
            self.s3 = S3Server(self.site.folder / "s3")
            self.s3.start()
            self.site.environment |= {**KEYS, "STORAGE_URL": self.s3.storage_url()}

    def start(self) -> None:
        """Start all parts."""
        self.site.start()
        self.caller = self.make_caller("operator")

    def make_caller(self, name: str) -> Caller:
        """Give somebody else who may upload."""
        self.site.manage("create_user", name, "--role", "operator", "--no-password")
        made = self.site.manage("create_api_key", "test", "--user", name, "--scopes", "manage")
        return Caller(self.site.installation.port, made.splitlines()[-1])

    def end(self) -> None:
        """Leave nothing behind."""
        self.site.end()
        if self.s3:
            self.s3.end()


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """Give an installation on disk, or on S3 where the test asks for it by an indirect parameter."""
    served = Served(on_s3=getattr(request, "param", "disk") == "s3")
    try:
        served.start()
        yield served
    finally:
        served.end()
