"""What of a queue was decided since a dataset version was made of it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """An index, so that old code goes on as it is."""

    dependencies = [("feedback", "0004_erasing_feedback")]

    operations = [
        migrations.AddIndex(
            model_name="reviewitem",
            index=models.Index(fields=["queue", "finished_at"], name="feedback_item_finished"),
        ),
    ]
