import django.db.models.functions.datetime
from django.db import migrations, models

import common.sealing


class Migration(migrations.Migration):
    dependencies = [
        ("notify", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="webhook",
            name="description",
            field=models.CharField(blank=True, db_default="", default="", max_length=1000, verbose_name="description"),
        ),
        migrations.AddField(
            model_name="webhook",
            name="form",
            field=models.CharField(
                choices=[("standard", "Standard Webhooks"), ("mlflow", "MLflow")],
                db_default="standard",
                default="standard",
                max_length=10,
                verbose_name="form of the calls",
            ),
        ),
        migrations.AddField(
            model_name="webhook",
            name="updated_at",
            field=models.DateTimeField(
                auto_now=True, db_default=django.db.models.functions.datetime.Now(), verbose_name="changed"
            ),
        ),
        migrations.AlterField(
            model_name="webhook",
            name="secret",
            field=common.sealing.SealedField(blank=True, default="", verbose_name="secret"),
        ),
    ]
