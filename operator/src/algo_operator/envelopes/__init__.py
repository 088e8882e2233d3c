"""Opening accounts' sessions, and the public key they are sealed to."""
