from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0005_governance"),
    ]

    operations = [
        migrations.AddField(
            model_name="modelversion",
            name="state_before",
            field=models.CharField(
                blank=True,
                choices=[
                    ("registered", "registered, not servable"),
                    ("pending", "waiting for its check"),
                    ("checking", "being checked"),
                    ("ready", "ready"),
                    ("refused", "refused"),
                    ("archived", "archived"),
                    ("deleted", "deleted"),
                ],
                db_default="",
                default="",
                editable=False,
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(fields=["deleted_at"], name="registry_version_bin"),
        ),
        migrations.AddField(
            model_name="registeredmodel",
            name="intended_use",
            field=models.TextField(blank=True, db_default="", default="", verbose_name="intended use"),
        ),
        migrations.AddField(
            model_name="registeredmodel",
            name="limits",
            field=models.TextField(blank=True, db_default="", default="", verbose_name="limits"),
        ),
        migrations.AddField(
            model_name="registeredmodel",
            name="licence",
            field=models.CharField(blank=True, db_default="", default="", max_length=120, verbose_name="licence"),
        ),
    ]
