"""`python -m services.metrics api|worker|migrate|rebuild`."""

import sys

from services.metrics.settings import Settings
from services.metrics.wiring import rebuildable, run_api, run_migrate, run_worker
from shared.runtime.entry import run
from shared.runtime.rebuilding import rebuild_command

if __name__ == "__main__":
    rebuild = rebuild_command(rebuildable)
    sys.exit(run({"api": run_api, "worker": run_worker, "migrate": run_migrate, "rebuild": rebuild}, Settings))
