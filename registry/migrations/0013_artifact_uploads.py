from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0012_alias_history_begins"),
    ]

    operations = [
        migrations.AddField(
            model_name="artifact",
            name="upload_id",
            field=models.UUIDField(help_text="by which it was sent, if in parts", null=True),
        ),
    ]
