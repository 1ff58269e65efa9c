"""The scoring program's first file: `python score.py INPUT OUTPUT`.

On the server it lies at the program's root, and `challenge/` beside it holds copies of the kit's
own files. It is written for Python 3.6, so that a server with an old image says so in a page
instead of stopping at a syntax error.
"""

import os
import sys

PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Not scored</title>
<h1>Not scored: the organisers must change the competition's image</h1>
<p>The scoring program needs Python 3.10 or newer, numpy and Pillow. This server: {}.
Nothing is wrong with the submission. Organisers: set the docker image to
<code>codalab/codalab-legacy:py312</code> and run the submission again.</p></html>
"""


def main(arguments: "list[str]") -> int:
    """Score INPUT/res against INPUT/ref into OUTPUT; return the exit code."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python score.py INPUT OUTPUT\n")
        return 2
    for library in ("OPENBLAS", "OMP", "MKL"):  # one process for each core, one thread in each
        os.environ[library + "_NUM_THREADS"] = "1"
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    try:
        if sys.version_info < (3, 10):  # noqa: UP036
            raise ImportError("Python " + sys.version.split()[0])
        from challenge.server import program
    except ImportError as error:
        with open(os.path.join(arguments[1], "detailed_results.html"), "w") as page:
            page.write(PAGE.format(error))
        sys.stderr.write(f"error: the server's image does not fit: {error}\n")
        return 1
    return program.main(arguments[0], arguments[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
