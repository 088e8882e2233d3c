"""What runners and feeds say in Redis, polled in pipelined batches."""
