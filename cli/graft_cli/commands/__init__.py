"""One command to a module: what it asks for, and how its result is shown."""
