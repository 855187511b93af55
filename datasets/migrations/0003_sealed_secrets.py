import common.sealing
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("datasets", "0002_version_differences"),
    ]

    operations = [
        migrations.AlterField(
            model_name="source",
            name="secret",
            field=common.sealing.SealedField(blank=True, editable=False),
        ),
    ]
