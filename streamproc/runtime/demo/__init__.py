"""What `streamproc up` shows at its first start: a few rules, generated events with attacks, a webhook receiver."""
