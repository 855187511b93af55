import common.sealing
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                ("kid", models.CharField(max_length=40, primary_key=True, serialize=False, verbose_name="key id")),
                ("algorithm", models.CharField(max_length=10, verbose_name="algorithm")),
                ("public_key", models.TextField(help_text="PEM", verbose_name="public key")),
                (
                    "private_key",
                    common.sealing.SealedField(
                        blank=True, editable=False, help_text="empty where it comes from the environment"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("next", "next"), ("active", "signs"), ("retired", "retired")],
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("not_before", models.DateTimeField(blank=True, null=True, verbose_name="signs since")),
                ("retire_at", models.DateTimeField(blank=True, null=True, verbose_name="believed until")),
            ],
            options={
                "verbose_name": "signing key",
                "verbose_name_plural": "signing keys",
                "ordering": ["-created_at", "kid"],
                "permissions": [("rotate_signingkey", "Can rotate and withdraw signing keys")],
                "default_permissions": ("view",),
            },
        ),
    ]
