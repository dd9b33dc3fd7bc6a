"""The forms that rows come in: how each kind of file or folder is told and read, strictly, batch by batch."""
