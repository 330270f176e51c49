from django.db import migrations


def write_filters(apps, schema_editor):
    """Make the modalities that a subscription named the filter that says the same."""
    subscriptions = apps.get_model("registry", "Subscription")
    for row in subscriptions.objects.exclude(modalities=[]).order_by("pk"):
        test = {"modality": list(row.modalities)}
        row.filter = {"all": [test, row.filter]} if row.filter else test
        row.save(update_fields=["filter"])


def write_modalities(apps, schema_editor):
    """Put back the modalities of the filters that name nothing else."""
    subscriptions = apps.get_model("registry", "Subscription")
    for row in subscriptions.objects.order_by("pk"):
        if set(row.filter) == {"modality"}:
            row.modalities, row.filter = row.filter["modality"], {}
            row.save(update_fields=["modalities", "filter"])


class Migration(migrations.Migration):
    dependencies = [("registry", "0017_turns_of_destinations")]

    operations = [
        migrations.RunPython(write_filters, write_modalities),
        migrations.RemoveField(model_name="subscription", name="modalities"),
    ]
