"""A submission: what it must hold, every fault in it, the zip, and reading the zip back.

`check_submission` looks at a folder of predictions and at a finished zip in the same way,
`write_submission` makes the zip. Nothing here needs more than Python's own library, so that a
server can run the same checks.
"""

from challenge.findings import Finding, listing
from challenge.submission.check import check_entries, check_submission
from challenge.submission.entries import Entry, open_entries
from challenge.submission.expected import Expected
from challenge.submission.readme import Readme, server_values, write_readme
from challenge.submission.write import Written, write_submission

__all__ = [
    "Entry",
    "Expected",
    "Finding",
    "Readme",
    "Written",
    "check_entries",
    "check_submission",
    "listing",
    "open_entries",
    "server_values",
    "write_readme",
    "write_submission",
]
