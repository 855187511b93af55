from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0008_deletion_and_card"),
    ]

    operations = [
        migrations.AddField(
            model_name="approvalrequest",
            name="is_removal",
            field=models.BooleanField(db_default=False, default=False, verbose_name="the alias is taken away"),
        ),
        migrations.AddField(
            model_name="approvalrequest",
            name="old_alias",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=100, verbose_name="alias for the version before"
            ),
        ),
    ]
