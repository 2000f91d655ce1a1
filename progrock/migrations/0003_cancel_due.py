"""When the backend of a job is to be told to stop it: the cancels that were not sent yet go on."""

from django.db import migrations, models


def carry_over(apps, schema_editor):
    jobs = apps.get_model("progrock", "Job").objects
    unsent = jobs.filter(cancel_requested__isnull=False, cancel_sent=None, finished=None)
    unsent.update(cancel_due_at=models.F("cancel_requested"))


class Migration(migrations.Migration):

    dependencies = [
        ('progrock', '0002_comment'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='cancel_due_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name='job',
            index=models.Index(condition=models.Q(('cancel_due_at__isnull', False)), fields=['cancel_due_at'], name='job_cancel_due'),
        ),
    ]
