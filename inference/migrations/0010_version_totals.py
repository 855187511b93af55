from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0009_revisions_outlive"),
    ]

    operations = [
        migrations.CreateModel(
            name="VersionTotal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("deployment", models.CharField(max_length=100, verbose_name="deployment")),
                ("version", models.PositiveIntegerField(verbose_name="version")),
                ("until", models.DateTimeField(help_text="windows before are in it")),
                ("requests", models.PositiveBigIntegerField(default=0, verbose_name="requests")),
                ("errors", models.PositiveBigIntegerField(default=0, verbose_name="errors")),
                ("success_rows", models.PositiveBigIntegerField(default=0)),
                ("latency_sum_ms", models.FloatField(default=0)),
                ("error_sum_ms", models.FloatField(default=0)),
                ("queue_sum_ms", models.FloatField(default=0)),
                ("run_sum_ms", models.FloatField(default=0)),
                ("executions", models.FloatField(default=0, help_text="runs of the model")),
                ("last_at", models.DateTimeField(help_text="the last answer", null=True)),
                (
                    "batches",
                    models.JSONField(help_text="runs and their milliseconds by rows that ran together", null=True),
                ),
            ],
            options={
                "verbose_name": "total of a version",
                "verbose_name_plural": "totals of versions",
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("deployment", "version"), name="inference_total_once")],
            },
        ),
    ]
