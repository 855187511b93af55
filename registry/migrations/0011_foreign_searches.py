from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0010_artifacts"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="modeltag",
            index=models.Index(fields=["key"], name="registry_modeltag_by_key"),
        ),
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(fields=["model", "stage", "state", "number"], name="registry_version_newest"),
        ),
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(fields=["model", "updated_at", "number"], name="registry_version_changed"),
        ),
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(fields=["updated_at"], name="registry_version_by_change"),
        ),
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(fields=["run_id"], name="registry_version_by_run"),
        ),
        migrations.AddIndex(
            model_name="versiontag",
            index=models.Index(fields=["key"], name="registry_versiontag_by_key"),
        ),
    ]
