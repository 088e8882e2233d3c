"""Which instruments strategies ask for, and which socket carries each."""
