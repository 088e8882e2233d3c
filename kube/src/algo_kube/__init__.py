"""The Kubernetes kit of the controllers (operator, log-in worker): raw JSON, one client, one
watcher, one work queue, one lease.
"""
