"""`python -m services.pipeline api|worker|migrate`."""

import sys

from services.pipeline.settings import Settings
from services.pipeline.wiring import run_api, run_migrate, run_worker
from shared.runtime.entry import run

if __name__ == "__main__":
    sys.exit(run({"api": run_api, "worker": run_worker, "migrate": run_migrate}, Settings))
