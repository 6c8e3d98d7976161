"""The parts in C, which Python stands in for where there is no compiler; all else is in pyproject.toml."""

from setuptools import Extension, setup


def part(name: str) -> Extension:
    """Name what a file of C makes."""
    source = f"src/copytaster/{name}.c"
    return Extension(
        f"copytaster.{name}", [source], extra_compile_args=["-O3", "-ffp-contract=off"], optional=True
    )


if __name__ == "__main__":
    setup(ext_modules=[part("_kernel"), part("_lines"), part("_rows")])
