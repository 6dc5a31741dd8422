"""How fast local_nemo is, beside what readers would use instead. `python -m benchmarks` runs all of it; see `report`.

Everything of ours is measured through the product's own endpoints, on a server that runs for this purpose alone.
"""
