"""The command line."""

import time

BEGAN = time.monotonic()
"""When this process came to its first line of Graft: what a command took has the import of libraries in it."""
