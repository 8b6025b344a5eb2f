"""Many users at once: arrivals of a recorded service, replayed on the engine and through the whole product."""
