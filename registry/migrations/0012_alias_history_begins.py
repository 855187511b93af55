from django.db import migrations


def begin(apps, schema_editor):
    """Let the history of each alias that there is begin with its last move."""
    aliases, history = apps.get_model("registry", "ModelAlias"), apps.get_model("registry", "AliasHistory")
    known = set(history.objects.filter(until=None).values_list("model_id", "name"))
    rows = (
        history(
            model_id=alias.model_id,
            name=alias.name,
            version_id=alias.version_id,
            version_number=alias.version.number,
            since=alias.updated_at,
        )
        for alias in aliases.objects.select_related("version").order_by("pk").iterator(chunk_size=500)
        if (alias.model_id, alias.name) not in known
    )
    history.objects.bulk_create(rows, batch_size=500)


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0011_foreign_searches"),
    ]

    operations = [migrations.RunPython(begin, migrations.RunPython.noop)]
