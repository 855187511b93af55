from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("notify", "0002_forms_of_webhooks"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["webhook", "state", "due_at"], name="notify_delivery_by_webhook"),
        ),
    ]
