"""The read model: what the topics say of alerts, deliveries, incidents and dead letters, in a local SQLite file."""
