"""Commands for people: replay, broker-check. The pod loads none of them."""
