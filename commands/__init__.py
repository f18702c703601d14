"""The commands beside the stages of a run, each group a module; `pipeline.py` registers them."""
