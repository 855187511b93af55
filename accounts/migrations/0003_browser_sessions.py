from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_signing_keys"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="kind",
            field=models.CharField(
                choices=[("token", "token"), ("browser", "browser")],
                db_default="token",
                default="token",
                max_length=10,
                verbose_name="kind",
            ),
        ),
        migrations.AlterField(
            model_name="session",
            name="refresh_id",
            field=models.CharField(
                blank=True, help_text="`jti` of the one refresh token that may be used", max_length=40
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(fields=["expires_at"], name="accounts_session_by_expiry"),
        ),
    ]
