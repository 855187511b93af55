"""The kinds of source that this app knows itself."""

from __future__ import annotations

from datasets.sources.databases import DatabaseSource
from datasets.sources.hooks import register_source
from datasets.sources.http import HttpSource
from datasets.sources.s3 import S3Source
from datasets.sources.stored import FileSource, PathSource, VersionSource

for _source in (FileSource(), HttpSource(), S3Source(), DatabaseSource(), PathSource(), VersionSource()):
    register_source(_source)
