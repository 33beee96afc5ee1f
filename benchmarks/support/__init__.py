"""What benchmarks share: load, servers, peers."""
