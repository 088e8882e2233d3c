"""What passes speak about: facts, the schedule, problems, actions. Pure."""
