"""A broker to work with: the operator's, one in Docker, or one under Java. See `resolve.open_broker`."""
