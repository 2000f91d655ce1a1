"""What visitors are told of the backends: by the API, and by the pages."""
