"""The command ``complaint-nlp``."""

from __future__ import annotations

import sys
from typing import Final

_STOPPED: Final = 130


def main() -> None:
    """Run the command line. A user's mistake ends with one line on standard error and exit code 2."""
    from complaint_nlp.cli.app import app
    from complaint_nlp.errors import ComplaintNlpError

    try:
        app()
    except ComplaintNlpError as error:
        print(f"complaint-nlp: {error}", file=sys.stderr)  # noqa: T201 - this is the command line
        sys.exit(2)
    except BrokenPipeError:
        # the reader (head, less) has seen enough; nothing more may be written, not even at exit
        sys.stderr.close()
        sys.exit(0)
    except (KeyboardInterrupt, SystemExit) as ended:
        # typer turns an interrupt into this exit code, and says nothing
        if isinstance(ended, SystemExit) and ended.code != _STOPPED:
            raise
        print("complaint-nlp: stopped", file=sys.stderr)  # noqa: T201
        sys.exit(_STOPPED)
