"""File imports: a declarative mapping turns rows of CSV, Excel and JSON-lines files into drafts of canonical events.

`load_preset` or `read_mapping` gives the mapping, `default_as_of` the instant of the export, `Importer.events` the
drafts, rejections and warnings. Nothing here stores or sends anything.
"""

from services.ingest.imports.as_of import default_as_of, end_of_day, fingerprint
from services.ingest.imports.error_file import ErrorPart, Rejected, error_files
from services.ingest.imports.file_rows import ImportFiles
from services.ingest.imports.formats.records import Limits
from services.ingest.imports.guess import Proposal, Question, propose
from services.ingest.imports.importer import Importer, ImportRequest
from services.ingest.imports.mapping import ImportMapping
from services.ingest.imports.mapping_file import load_preset, preset_names, read_mapping
from services.ingest.imports.outcomes import Draft, Rejection, RowWarning
from services.ingest.imports.yaml_tree import InvalidMappingError

__all__ = [
    "Draft",
    "ErrorPart",
    "ImportFiles",
    "ImportMapping",
    "ImportRequest",
    "Importer",
    "InvalidMappingError",
    "Limits",
    "Proposal",
    "Question",
    "Rejected",
    "Rejection",
    "RowWarning",
    "default_as_of",
    "end_of_day",
    "error_files",
    "fingerprint",
    "load_preset",
    "preset_names",
    "propose",
    "read_mapping",
]
