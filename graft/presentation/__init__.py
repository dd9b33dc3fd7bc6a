"""Pages: first the content as data, then HTML rendered from it."""
