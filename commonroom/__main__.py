"""`python -m commonroom`: the same as the console script."""

from commonroom.cli import main

if __name__ == "__main__":
    main()
