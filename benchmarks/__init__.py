"""Side-by-side measurements against other tools: ``python -m benchmarks``. No part of the tests."""
