from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("progrock", "0006_ended"),
    ]

    operations = [
        migrations.AddField(
            model_name="lane",
            name="kept_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="lane",
            name="kept_by",
            field=models.CharField(blank=True, default="", max_length=100),
        ),
    ]
