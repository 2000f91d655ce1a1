"""`python -m progrock.command` is the command `progrock`."""

import sys

from progrock.command import main

sys.exit(main())
