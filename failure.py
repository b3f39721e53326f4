"""What went wrong, as one sentence with the next step."""

import errno

FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})  # Windows has no quota
# Errors that say by themselves what to do; any other is a mistake of this program.
EXPECTED = (ValueError, TypeError, RuntimeError, OSError, ImportError, MemoryError)


def sentence(error: Exception) -> str:
    """Returns what a command tells its user about an error."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        if error.errno in FULL:
            return f"{error.strerror}{where}. Free some space on the disk, then run it again."
        return f"{error.strerror}{where}. Check the path, the rights and the space on the disk."
    if isinstance(error, ImportError) and "cannot open shared object" in str(error):
        return (
            f"OpenCV needs libraries of the system, got: {error}. Run: apt-get install libgl1 "
            "libglib2.0-0, or: pip install opencv-python-headless"
        )
    if isinstance(error, ImportError):
        return f"{error}. Run: dressform doctor"
    if isinstance(error, MemoryError):
        return "more memory is required than there is. Scale the picture down, or use --jobs 1."
    if not isinstance(error, EXPECTED):
        return f"{type(error).__name__}: {str(error).strip()}. Report it, with the file."
    return str(error) or type(error).__name__
