"""Tables of asynchronous predictions and batch runs."""

import common.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("files", "0004_view_any_file"),
        ("inference", "0002_model_hosts"),
        ("jobs", "0002_schedules_priorities_keys"),
        ("notify", "0001_initial"),
        ("registry", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="inferencerequest",
            name="door",
            field=models.CharField(
                choices=[
                    ("v2", "Open Inference Protocol"),
                    ("api", "REST"),
                    ("admin", "try-it page"),
                    ("async", "asynchronous"),
                ],
                max_length=10,
                verbose_name="door",
            ),
        ),
        migrations.CreateModel(
            name="BatchRun",
            fields=[
                ("id", models.UUIDField(default=common.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("file_name", models.CharField(max_length=255, verbose_name="file")),
                (
                    "format",
                    models.CharField(
                        choices=[("parquet", "Parquet"), ("jsonl", "JSON Lines"), ("csv", "CSV")],
                        max_length=10,
                        verbose_name="format",
                    ),
                ),
                ("id_column", models.CharField(blank=True, max_length=255, verbose_name="id column")),
                ("columns", models.JSONField(help_text="column by input", verbose_name="columns")),
                (
                    "wrong_limit",
                    models.PositiveSmallIntegerField(
                        default=10, help_text="percent; the run stops beyond it", verbose_name="most wrong rows"
                    ),
                ),
                ("rows_total", models.PositiveBigIntegerField(blank=True, null=True, verbose_name="rows")),
                ("rows_done", models.PositiveBigIntegerField(default=0, verbose_name="rows done")),
                ("rows_wrong", models.PositiveBigIntegerField(default=0, verbose_name="wrong rows")),
                ("worked_ms", models.PositiveBigIntegerField(default=0, verbose_name="time at work in ms")),
                (
                    "sample",
                    models.JSONField(
                        blank=True, default=list, help_text="the first rows of the result", verbose_name="sample"
                    ),
                ),
                (
                    "problems",
                    models.JSONField(
                        blank=True, default=list, help_text="the first ones, with errors", verbose_name="wrong rows"
                    ),
                ),
                ("result_sha256", models.CharField(blank=True, max_length=64, verbose_name="SHA-256 of the result")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                (
                    "blob",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="files.blob",
                        verbose_name="content",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "file",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="files.storedfile",
                        verbose_name="file",
                    ),
                ),
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="batch_run",
                        to="jobs.job",
                        verbose_name="job",
                    ),
                ),
                (
                    "result",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="files.storedfile",
                        verbose_name="result",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="batch_runs",
                        to="registry.modelversion",
                        verbose_name="version",
                    ),
                ),
            ],
            options={
                "verbose_name": "batch run",
                "verbose_name_plural": "batch runs",
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("wrong_limit__lte", 100)), name="inference_batchrun_limit_is_percent"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="BatchPart",
            fields=[
                ("id", models.UUIDField(default=common.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("number", models.PositiveIntegerField()),
                ("rows", models.PositiveIntegerField()),
                ("position", models.PositiveBigIntegerField(help_text="where in the file the next part begins")),
                (
                    "blob",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="files.blob"),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="parts",
                        to="inference.batchrun",
                    ),
                ),
            ],
            options={
                "verbose_name": "part of a batch run",
                "verbose_name_plural": "parts of batch runs",
                "ordering": ["number"],
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("run", "number"), name="inference_batchpart_once")],
            },
        ),
        migrations.CreateModel(
            name="AsynchronousPrediction",
            fields=[
                ("id", models.UUIDField(default=common.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ("deployment", models.CharField(max_length=100, verbose_name="deployment")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "waiting"),
                            ("running", "running"),
                            ("succeeded", "succeeded"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="queued",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("user_id", models.BigIntegerField()),
                ("key_id", models.UUIDField(null=True)),
                ("key_prefix", models.CharField(blank=True, max_length=60)),
                ("caller", models.CharField(max_length=150, verbose_name="caller")),
                ("address", models.CharField(blank=True, max_length=64)),
                ("body", models.TextField(blank=True, help_text="as it was sent; empty when it is a blob")),
                ("body_blob", models.CharField(blank=True, help_text="SHA-256 of a body over 64 KB", max_length=64)),
                ("attempts", models.PositiveSmallIntegerField(default=0, verbose_name="attempts")),
                ("claim", models.UUIDField(editable=False, help_text="the attempt that may write here", null=True)),
                ("due_at", models.DateTimeField(verbose_name="due")),
                ("deadline_at", models.DateTimeField(verbose_name="to be answered until")),
                ("request_id", models.UUIDField(null=True, verbose_name="request")),
                ("result", models.TextField(blank=True, verbose_name="answer")),
                ("error_code", models.CharField(blank=True, max_length=50, verbose_name="error")),
                ("error", models.TextField(blank=True, verbose_name="error message")),
                ("created_at", models.DateTimeField(verbose_name="created")),
                ("started_at", models.DateTimeField(null=True, verbose_name="started")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="finished")),
                (
                    "webhook",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="notify.webhook",
                        verbose_name="webhook",
                    ),
                ),
            ],
            options={
                "verbose_name": "asynchronous prediction",
                "verbose_name_plural": "asynchronous predictions",
                "ordering": ["-id"],
                "default_permissions": ("view",),
                "permissions": [
                    ("cancel_asynchronousprediction", "Can cancel asynchronous predictions of other people")
                ],
                "indexes": [
                    models.Index(fields=["state", "due_at"], name="inference_async_by_due"),
                    models.Index(fields=["user_id", "id"], name="inference_async_by_user"),
                ],
            },
        ),
    ]
