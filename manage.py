#!/usr/bin/env python3
"""Django's command line, with the embedded default's settings when nothing else is set."""

import os
import sys

from progrock.launcher.environment import adopt_embedded_environment

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    adopt_embedded_environment()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
