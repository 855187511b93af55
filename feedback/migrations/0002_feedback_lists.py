"""Feedback by rating, by whether it holds a right answer, and by account."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """New column with a default of the database, so that old code goes on writing."""

    dependencies = [("feedback", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="feedback",
            name="has_correction",
            field=models.BooleanField(db_default=False, default=False, help_text="so that an index can tell"),
        ),
        migrations.AddIndex(
            model_name="feedback", index=models.Index(fields=["rating", "id"], name="feedback_by_rating")
        ),
        migrations.AddIndex(
            model_name="feedback", index=models.Index(fields=["has_correction", "id"], name="feedback_by_correction")
        ),
        migrations.AddIndex(
            model_name="feedback", index=models.Index(fields=["user_id", "id"], name="feedback_by_user")
        ),
    ]
