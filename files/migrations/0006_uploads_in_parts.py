from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("files", "0005_shelf_and_thumbnails"),
    ]

    operations = [
        migrations.AlterField(
            model_name="upload",
            name="way",
            field=models.CharField(
                choices=[
                    ("tus", "through Flueman, resumable (tus)"),
                    ("multipart", "straight to S3 (presigned multipart)"),
                    ("parts", "by an MLflow client, in parts"),
                ],
                default="tus",
                max_length=20,
            ),
        ),
    ]
