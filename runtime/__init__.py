"""What every stage stands on: configuration, files, parts, processes, locks and exit statuses."""
