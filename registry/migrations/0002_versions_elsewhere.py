from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="modelversion",
            name="format",
            field=models.CharField(
                choices=[
                    ("safetensors", "safetensors"),
                    ("state_dict", "PyTorch state dict"),
                    ("torchscript", "TorchScript"),
                    ("exported_program", "torch.export"),
                    ("remote", "runs elsewhere"),
                ],
                max_length=30,
                verbose_name="format",
            ),
        ),
    ]
