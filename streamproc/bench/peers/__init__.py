"""What streamproc is measured against, each a process of its own: `python -m streamproc.bench.peers.<name>`.

They take their settings from the environment: BENCH_KAFKA, BENCH_GROUP, BENCH_EVENTS (topic), BENCH_PROGRESS
(file); the Faust worker also BENCH_ALERTS (topic), BENCH_KEYED (topic), BENCH_WORKLOAD and BENCH_STATE (directory).
"""
