"""The kernel, which numpy stands in for where there is no C compiler; all else is in pyproject.toml."""

from setuptools import Extension, setup

KERNEL = Extension(
    "copytaster._kernel", ["src/copytaster/_kernel.c"], extra_compile_args=["-O3"], optional=True
)

if __name__ == "__main__":
    setup(ext_modules=[KERNEL])
