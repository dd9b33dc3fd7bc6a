"""What a row's content can be: a package for each modality."""
