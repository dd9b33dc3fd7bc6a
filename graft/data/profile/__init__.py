"""What a person wants to know of rows before training on them: columns, kinds, roles, languages, advice."""
