"""Indexes for what is asked of the access log: one patient, one person, one study, a period; newest first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("access", "0003_commission")]

    operations = [
        migrations.AlterField("auditevent", "recorded_at", models.DateTimeField()),
        migrations.AlterField("auditevent", "patient_id", models.BigIntegerField(null=True)),
        migrations.AlterField("auditevent", "study_instance_uid", models.CharField(blank=True, max_length=64)),
        migrations.AddIndex("auditevent", models.Index(fields=["recorded_at"], name="audit_by_time")),
        migrations.AddIndex("auditevent", models.Index(fields=["actor", "recorded_at"], name="audit_by_actor")),
        migrations.AddIndex(
            "auditevent",
            models.Index(
                condition=models.Q(patient_id__isnull=False),
                fields=["patient_id", "recorded_at"],
                name="audit_by_patient",
            ),
        ),
        migrations.AddIndex(
            "auditevent", models.Index(fields=["study_instance_uid", "recorded_at"], name="audit_by_study")
        ),
    ]
