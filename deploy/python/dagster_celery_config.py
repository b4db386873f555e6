"""Celery settings of the workers; `celery -A dagster_celery.app worker` imports this module by its name."""

import os

broker_url = os.environ["CELERY_BROKER_URL"]
result_backend = os.environ["CELERY_BACKEND_URL"]
# A worker accepts a run only when it can start it, and runs it in a process of its own.
worker_prefetch_multiplier = 1
worker_disable_prefetch = True
worker_concurrency = 1
worker_max_tasks_per_child = 1
# In seconds. Redis must know that a run has started for longer than the longest first sync takes.
result_expires = 30 * 24 * 3600
