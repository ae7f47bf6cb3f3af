"""`python -m services.metrics api|worker|migrate`."""

import sys

from services.metrics.settings import Settings
from services.metrics.wiring import run_api, run_migrate, run_worker
from shared.runtime.entry import run

if __name__ == "__main__":
    sys.exit(run({"api": run_api, "worker": run_worker, "migrate": run_migrate}, Settings))
