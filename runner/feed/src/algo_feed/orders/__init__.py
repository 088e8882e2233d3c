"""The broker's order book and order updates, published for the account's runners."""
