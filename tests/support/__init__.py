"""What tests share: small models, workspaces, programs that are started or killed."""
