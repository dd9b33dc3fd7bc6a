"""File formats: how each kind of file or folder is recognised and read, strictly, batch by batch."""
