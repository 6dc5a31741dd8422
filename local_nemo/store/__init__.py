"""What must survive a restart: entities and jobs in SQLite, files by content. Knows nothing of HTTP or models."""
