"""When and where: the only package that imports Prefect, and the command line.

``retrain.py`` is the whole pipeline on one screen.
"""

import time

BEGAN = time.monotonic()
"""When this process came to its first line of Graft: what a command took has the import of libraries in it."""
