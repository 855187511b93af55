from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("feedback", "0003_review"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="feedback",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("import_feedback", "Can bring in feedback of others"),
                    ("erase_feedback", "Can erase what an end user has said"),
                ],
                "verbose_name": "feedback",
                "verbose_name_plural": "feedback",
            },
        ),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(fields=["person_key"], name="feedback_by_person"),
        ),
    ]
