"""Work that outlives a request: training jobs, the adapters they make, deployments."""
