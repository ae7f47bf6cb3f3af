"""`python -m services.ingest api|worker|migrate|repartition|begin-epoch`."""

import sys

from services.ingest.settings import Settings
from services.ingest.wiring import BEGIN_EPOCH, REPARTITION, run_api, run_migrate, run_worker
from shared.runtime.entry import run

if __name__ == "__main__":
    sys.exit(
        run(
            {
                "api": run_api,
                "worker": run_worker,
                "migrate": run_migrate,
                "repartition": REPARTITION,
                "begin-epoch": BEGIN_EPOCH,
            },
            Settings,
        )
    )
