"""Which files: everything that reads and writes a workspace, whose paths ``workspace.py`` knows.

A run goes from ``registry/pin.py``, which writes the world down, through ``steps/``, which ``dvc/`` reproduces in processes of
``processes/``, to ``registry/promote.py``, which changes the world, and ``commands/render.py``, which draws it.
"""

import logging

logging.getLogger("graft").addHandler(logging.NullHandler())  # where nobody asked for a log, nothing is shown
