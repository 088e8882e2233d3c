"""From a process's start to its first tick: take the fence, rebuild the state, settle with the
book.
"""
