import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0008_large_inputs"),
    ]

    operations = [
        migrations.AddField(
            model_name="revision",
            name="deployment_name",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="of one that was deleted", max_length=100
            ),
        ),
        migrations.AlterField(
            model_name="revision",
            name="deployment",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="revisions",
                to="inference.deployment",
                verbose_name="deployment",
            ),
        ),
        migrations.AlterField(
            model_name="revision",
            name="what",
            field=models.CharField(
                choices=[
                    ("deployed", "deployed"),
                    ("canary_started", "canary started"),
                    ("canary_stepped", "canary grown by its guard"),
                    ("canary_stopped", "canary stopped by its guard"),
                    ("weights_set", "weights changed"),
                    ("shadow_started", "shadow started"),
                    ("route_ended", "route ended"),
                    ("promoted", "promoted"),
                    ("rolled_back", "rolled back"),
                    ("not_loaded", "version could not be loaded"),
                    ("deleted", "deployment deleted"),
                ],
                max_length=20,
                verbose_name="change",
            ),
        ),
    ]
