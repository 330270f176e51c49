"""Names in the order of their bytes, folded with all their groups; descriptions are compared as they are."""

from typing import Any

from django.db import migrations, models

from registry.names import fold_name

NAMES = (("Study", "patient_name"), ("Study", "referring_physician_name"), ("Patient", "patient_name"))


def fold_groups(apps: Any, schema_editor: Any) -> None:
    """Fold names that have several groups again: the later ones were left out."""
    for model, column in NAMES:
        rows = apps.get_model("registry", model).objects.filter(**{f"{column}__contains": "="})
        for pk, name in rows.values_list("pk", column).iterator():
            rows.filter(pk=pk).update(**{f"{column}_folded": fold_name(name)})


class Migration(migrations.Migration):
    dependencies = [("registry", "0004_removal")]

    operations = [
        migrations.RemoveIndex(model_name="study", name="study_patient_name"),
        migrations.RunPython(fold_groups, migrations.RunPython.noop),
        migrations.RemoveField(model_name="series", name="series_description_folded"),
        migrations.RemoveField(model_name="study", name="study_description_folded"),
        migrations.AddIndex(
            model_name="study",
            index=models.Index(
                fields=["patient_name_folded"], name="study_patient_name", opclasses=["varchar_pattern_ops"]
            ),
        ),
    ]
