from django.db import migrations


def fill(apps, schema_editor):
    """Give each copy without files here the address of its original, which may be purged one day."""
    versions = apps.get_model("registry", "ModelVersion").objects
    copies = versions.filter(storage_location="", files=None).exclude(copied_from=None)
    for key, source in list(copies.values_list("pk", "copied_from__source")):
        versions.filter(pk=key).update(storage_location=source)


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0016_storage_location"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
