"""`python -m dcsim` and the console script `dcsim`: parse, load one command's module, turn errors into exit codes."""

from __future__ import annotations

import gc
import os
import sys


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code: 0 good, 1 a check failed, 2 bad input, 3 environment, 130 interrupted."""
    if argv is None:  # the process is ours
        _start_light()
    from dcsim.cli.parser import build_parser, load_command
    from dcsim.errors import DcsimError

    words = sys.argv[1:] if argv is None else argv
    arguments = build_parser(words).parse_args(words)
    try:
        code = load_command(arguments.command).run(arguments)
        sys.stdout.flush()
        return code
    except DcsimError as error:
        if arguments.debug:
            raise
        for line in error.lines():
            sys.stderr.write(f"dcsim: error: {line}\n")
        return error.exit_code
    except BrokenPipeError:
        # A pager or `head` that has read enough is no error. What is left goes nowhere, also when Python flushes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as stop:
        sys.stderr.write(f"dcsim: interrupted: {stop}\n" if str(stop) else "dcsim: interrupted\n")
        return 130
    except OSError as error:
        if arguments.debug:
            raise
        sys.stderr.write(f"dcsim: error: {error.filename or 'file system'}: {error.strerror or error}\n")
        return 3


def _start_light() -> None:
    """Settings of the whole process that shorten its start; none changes a number or overrides the user."""
    # numpy's OpenBLAS starts a thread for each core, to multiply matrices that dcsim does not have.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # pydantic reads the metadata of every installed package, to find plug-ins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Imports make many objects and hardly any garbage.
    gc.set_threshold(200_000)


if __name__ == "__main__":
    sys.exit(main())
