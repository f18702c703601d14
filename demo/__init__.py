"""Two embedded shops on loopback with sown defects, and the scorecard that knows the truth."""
