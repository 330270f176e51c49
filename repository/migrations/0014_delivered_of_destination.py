from django.db import migrations, models


class Migration(migrations.Migration):
    """An index for what went to a destination in the last hour, beside all that ever went there."""

    dependencies = [
        ("repository", "0013_attempt_ended"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("delivered_at__isnull", False)),
                fields=["destination", "delivered_at"],
                name="delivery_gone",
            ),
        ),
    ]
