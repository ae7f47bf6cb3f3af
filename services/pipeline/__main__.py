"""`python -m services.pipeline api|worker|migrate|rebuild`."""

import sys

from services.pipeline.settings import Settings
from services.pipeline.wiring import rebuildable, run_api, run_migrate, run_worker
from shared.runtime.entry import run
from shared.runtime.rebuilding import rebuild_command

if __name__ == "__main__":
    rebuild = rebuild_command(rebuildable)
    sys.exit(run({"api": run_api, "worker": run_worker, "migrate": run_migrate, "rebuild": rebuild}, Settings))
