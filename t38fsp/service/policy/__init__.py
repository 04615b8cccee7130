"""What follows from a result, a number or an hour: pure functions of the settings and the facts."""
