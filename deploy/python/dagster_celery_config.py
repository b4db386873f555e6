"""Settings of the Celery workers; `celery -A dagster_celery.app worker` reads this module by its name."""

import os

broker_url = os.environ["CELERY_BROKER_URL"]
result_backend = os.environ["CELERY_BACKEND_URL"]
# A worker takes a run when it can begin it, none in advance; each has a process of its own.
worker_prefetch_multiplier = 1
worker_disable_prefetch = True
worker_concurrency = 1
worker_max_tasks_per_child = 1
# In seconds: for so long Redis remembers that a run has started. The longest first sync ends before.
result_expires = 30 * 24 * 3600
