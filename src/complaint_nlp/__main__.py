"""``python -m complaint_nlp`` is the command ``complaint-nlp``."""

from complaint_nlp.cli import main

if __name__ == "__main__":
    main()
