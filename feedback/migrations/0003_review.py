"""Golden items as a state of their own, masked queues, and feedback in the order of its changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """New column with a default of the database, so that old code goes on writing."""

    dependencies = [("feedback", "0002_feedback_lists")]

    operations = [
        migrations.AddField(
            model_name="reviewqueue",
            name="is_masked",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="in the copies that it keeps",
                verbose_name="personal data masked",
            ),
        ),
        migrations.AlterField(
            model_name="reviewitem",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "waiting"),
                    ("agreed", "agreed"),
                    ("disputed", "disputed"),
                    ("settled", "settled"),
                    ("left_out", "left out"),
                    ("golden", "golden"),
                ],
                default="waiting",
                max_length=10,
                verbose_name="state",
            ),
        ),
        migrations.AddIndex(
            model_name="feedback", index=models.Index(fields=["updated_at", "id"], name="feedback_by_change")
        ),
    ]
